use std::collections::BTreeSet;
use std::path::Path;

use super::resolve::resolve_with;
use super::*;

#[test]
fn every_file_is_registered_and_every_preset_works() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../presets");
    let files: BTreeSet<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let registered: BTreeSet<String> = PRESETS
        .iter()
        .map(|preset| preset.name.to_owned())
        .collect();
    assert_eq!(files, registered);
    for preset in PRESETS {
        let resolved = resolve_with(preset.name, &[], Vec::new()).unwrap();
        assert_eq!(resolved.experiment, preset.experiment().unwrap());
        assert_eq!(resolved.experiment.experiment.name, preset.name);
        assert!(
            !resolved.experiment.experiment.description.is_empty(),
            "{}",
            preset.name
        );
    }
}

#[test]
fn every_number_of_a_preset_has_a_comment() {
    for preset in PRESETS {
        for line in preset.text.lines() {
            let number = line
                .split_once(" = ")
                .is_some_and(|(_, value)| value.contains(|letter: char| letter.is_ascii_digit()));
            let quoted = line.contains("= \"");
            assert!(
                !number || quoted || line.contains(" # "),
                "{}: {line}",
                preset.name
            );
        }
    }
}

#[test]
fn every_method_has_its_name() {
    for name in MethodSettings::NAMES {
        let method = MethodSettings::default_of(name).unwrap();
        assert_eq!(method.name(), name);
        let written: toml::Table = toml::to_string(&method).unwrap().parse().unwrap();
        assert_eq!(written["name"].as_str(), Some(name));
    }
    let nobody = toml::from_str::<MethodSettings>("name = \"nobody\"").unwrap_err();
    let listed = nobody.message().matches('`').count() / 2 - 1;
    assert_eq!(listed, MethodSettings::NAMES.len(), "{}", nobody.message());
}
