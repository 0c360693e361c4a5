use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use troop_common::layout::{Initializer, Layout, LayoutError, TensorSpec};

fn initializers() -> impl Strategy<Value = Initializer> {
    prop_oneof![
        Just(Initializer::Zeros),
        (-2.0_f32..2.0).prop_map(Initializer::Constant),
        (0.1_f32..2.0).prop_map(Initializer::ForgetGate),
        (0.1_f32..2.0).prop_map(Initializer::Uniform),
        (0.1_f32..2.0).prop_map(Initializer::Orthogonal),
    ]
}

fn tensors() -> impl Strategy<Value = Vec<TensorSpec>> {
    let tensor = (vec(1_usize..6, 0..4), initializers());
    vec(tensor, 1..6).prop_map(|tensors| {
        let named =
            |(index, (shape, initializer)): (usize, (Vec<usize>, Initializer))| TensorSpec {
                name: format!("tensor.{index}"),
                shape,
                initializer,
            };
        tensors.into_iter().enumerate().map(named).collect()
    })
}

proptest! {
    #[test]
    fn ranges_lie_beside_each_other_and_are_all_there_is(tensors in tensors()) {
        let layout = Layout::new(tensors.clone()).unwrap();
        let mut end = 0;
        for (tensor, range) in layout.ranges() {
            prop_assert_eq!(range.start, end);
            prop_assert_eq!(range.len(), tensor.shape.iter().product::<usize>());
            end = range.end;
        }
        prop_assert_eq!(end, layout.len());
        prop_assert_eq!(layout.tensors(), tensors);
    }

    #[test]
    fn the_first_parameters_fill_the_vector_and_come_from_the_seed(tensors in tensors(), seed in any::<u64>()) {
        let layout = Layout::new(tensors).unwrap();
        let first = layout.initialize(seed);
        prop_assert_eq!(first.len(), layout.len());
        prop_assert!(first.iter().all(|value| value.is_finite()));
        prop_assert_eq!(first, layout.initialize(seed));
    }

    #[test]
    fn a_fingerprint_knows_names_shapes_and_order_and_nothing_else(tensors in tensors(), at in any::<Index>()) {
        let of = |tensors: Vec<TensorSpec>| Layout::new(tensors).unwrap().fingerprint();
        let at = at.index(tensors.len());
        let changed = |change: &dyn Fn(&mut TensorSpec)| {
            let mut other = tensors.clone();
            change(&mut other[at]);
            of(other)
        };
        let fingerprint = of(tensors.clone());
        prop_assert_eq!(&changed(&|tensor| tensor.initializer = Initializer::Zeros), &fingerprint);
        prop_assert_ne!(&changed(&|tensor| tensor.name.push('x')), &fingerprint);
        prop_assert_ne!(&changed(&|tensor| tensor.shape.push(1)), &fingerprint);
        let mut turned = tensors.clone();
        turned.rotate_left(1);
        prop_assert_eq!(of(turned) == fingerprint, tensors.len() == 1);
    }

    #[test]
    fn a_layout_survives_its_file(tensors in tensors()) {
        let layout = Layout::new(tensors).unwrap();
        let text = serde_json::to_string(&layout).unwrap();
        prop_assert_eq!(serde_json::from_str::<Layout>(&text).unwrap(), layout);
    }

    #[test]
    fn sizes_beyond_any_machine_are_refused(shape in vec(1_usize << 20.., 2..9)) {
        let tensor = TensorSpec { name: "large".into(), shape, initializer: Initializer::Zeros };
        let refused = Layout::new(vec![tensor]);
        prop_assert!(matches!(refused, Err(LayoutError::TooLarge { .. })), "{refused:?}");
    }
}
