//! Convolutions in bfloat16, against those of numbers as they are.

use troop_common::experiment::Precision;

use super::*;
use crate::nn::ModelError;

/// Convolutions whose numbers come in pairs.
fn paired() -> Vec<(ModelSettings, ObservationSpace)> {
    let mut all = convolutions();
    all.retain(|(settings, space)| settings.body != Body::MinatarConv && space.shape[2] % 2 == 0);
    assert!(all.len() > 4, "nets with and without an LSTM");
    for (settings, _) in &mut all {
        settings.convolution_precision = Precision::Bf16;
    }
    all
}

/// How far numbers are from others, of the others' length.
fn apart(found: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let pairs = found.iter().zip(expected);
    let errors = pairs.map(|(a, b)| square(f64::from(*a) - f64::from(*b)));
    let length: f64 = expected.iter().map(|x| square(f64::from(*x))).sum();
    (errors.sum::<f64>() / length).sqrt()
}

#[test]
fn convolutions_in_bfloat16_are_near_those_of_all_bits() {
    for (settings, space) in paired() {
        let computed = |precision| {
            let settings = ModelSettings {
                convolution_precision: precision,
                ..settings.clone()
            };
            let mut case = Case::new(&settings, &space, [3, 3]);
            // Not so large that rectified sums run away.
            case.parameters.iter_mut().for_each(|x| *x *= 0.3);
            case.computed(&mut case.model())
        };
        let (found, expected) = (computed(Precision::Bf16), computed(Precision::F32));
        for (found, expected) in found.0.heads.iter().zip(&expected.0.heads) {
            assert!(apart(found, expected) < 0.02);
        }
        // Rectifiers whose sums are near 0 fall to the other side.
        let far = apart(&found.2, &expected.2);
        assert!(far > 0.0 && far < 0.15, "{settings:?}: {far}");
    }
}

#[test]
fn convolutions_in_bfloat16_reuse_what_was_computed_while_acting() {
    for (settings, space) in paired() {
        Case::new(&settings, &space, [3, 5]).check_reuse();
    }
}

#[test]
fn all_instruction_sets_with_fused_multiply_adds_agree_on_bfloat16() {
    // A softmax over a picture leaves gradients so small that some take them for 0.
    let without_softmax = |(settings, _): &(ModelSettings, _)| !settings.spatial_softmax;
    for (settings, space) in paired().into_iter().filter(without_softmax) {
        Case::new(&settings, &space, [3, 3]).check_instruction_sets();
    }
}

#[test]
fn numbers_that_come_alone_are_refused_with_what_to_change() {
    for (body, shape) in [
        (Body::MinatarConv, [4, 10, 10]),
        (Body::A3cConv, [4, 84, 83]),
    ] {
        let settings = ModelSettings {
            body,
            convolution_precision: Precision::Bf16,
            ..ModelSettings::default()
        };
        let spaces = spaces(&space(&shape, ElementType::U8));
        let error = Network::new(&settings, &spaces, &HEADS).unwrap_err();
        assert!(matches!(error, ModelError::NoPairs { .. }));
        assert!(error.to_string().contains("set it to \"f32\""), "{error}");
    }
}
