use super::*;
use troop_common::spaces::ElementType;

fn space(length: usize) -> ObservationSpace {
    ObservationSpace {
        shape: vec![length],
        element: ElementType::F32,
    }
}

fn settings(observations: bool, rewards: bool) -> EnvironmentSettings {
    EnvironmentSettings {
        normalize_observations: observations,
        normalize_rewards: rewards,
        ..EnvironmentSettings::default()
    }
}

/// Of two environments.
fn of(settings: &EnvironmentSettings, space: &ObservationSpace) -> Normalizer {
    Normalizer::new(settings, space, (0.5, 2)).unwrap()
}

#[test]
fn what_is_seen_is_gathered_and_sent_once() {
    let mut normalizer = of(&settings(true, false), &space(2));
    normalizer.gather(Observations::F32(&[10.0, 5.0, 14.0, 5.0, 18.0, 5.0]));
    let gathered = Moments::try_from(&*normalizer.take(u64::MAX).unwrap()).unwrap();
    assert_eq!((gathered.count(), gathered.mean()), (3, &[14.0, 5.0][..]));
    assert_eq!(normalizer.take(u64::MAX), None);
    let (expected, found) = (2, 1);
    let refused = Err(NormalizationError::OtherDimensions { expected, found });
    let other = Moments::from_parts(4, vec![1.0], vec![1.0]).unwrap();
    assert_eq!(normalizer.load(&other), refused);
}

#[test]
fn without_it_nothing_is_sent() {
    let mut normalizer = of(&settings(false, false), &space(1));
    normalizer.gather(Observations::F32(&[1.0]));
    assert_eq!(normalizer.take(u64::MAX), None);
}

#[test]
fn rewards_are_divided_by_the_deviation_of_what_they_come_to() {
    for with_observations in [false, true] {
        let settings = settings(with_observations, true);
        let mut normalizer = of(&settings, &space(2));
        let shown = [1.0, 2.0, 3.0, 6.0];
        let mut gathered = Moments::default();
        for rewards in [[4.0, 0.0], [2.0, 8.0]] {
            normalizer.gather(Observations::F32(&shown));
            normalizer.count_rewards(&rewards, &[End::Continues; 2]);
        }
        normalizer.gather(Observations::F32(&shown));
        gathered.merge(&Moments::try_from(&*normalizer.take(6).unwrap()).unwrap());
        // Sums of 0, 0, 4, 0, 4 and 8.
        let (mean, variance) = (16.0 / 6.0, 96.0 / 6.0 - (16.0_f64 / 6.0).powi(2));
        assert_eq!(gathered.count(), 6);
        assert_eq!(gathered.mean().len(), if with_observations { 3 } else { 1 });
        assert!((gathered.mean().last().unwrap() - mean).abs() < 1e-12);
        assert_eq!(normalizer.reward(-3.0), -3.0, "not published yet");
        normalizer.load(&gathered).unwrap();
        let expected = -3.0 / variance.sqrt();
        assert!((f64::from(normalizer.reward(-3.0)) - expected).abs() < 1e-6);
        normalizer.load(&Moments::default()).unwrap();
        assert_ne!(normalizer.reward(-3.0), -3.0, "none change nothing");
        normalizer.restart();
        normalizer.gather(Observations::F32(&shown));
        let anew = Moments::try_from(&*normalizer.take(6).unwrap()).unwrap();
        assert_eq!(anew.mean().last(), Some(&0.0));
    }
}
