use config::{Map, Value, ValueKind};

/// One part of a layer as it was written: a whole file, one variable, one `--set`.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    /// What it says.
    pub(super) table: toml::Table,
    /// Where it comes from, for people.
    pub(super) origin: String,
}

/// One key's value in a layer.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    /// The key's path.
    pub(super) path: Vec<String>,
    /// Its value.
    pub(super) value: toml::Value,
    /// Where it comes from, for people.
    pub(super) origin: String,
}

impl Assignment {
    /// The key as written in configurations.
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }
}

/// The values of one layer; each key occurs once.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(pub(super) Vec<Assignment>);

impl Layer {
    /// Whether the layer has a value for the key.
    pub(super) fn has(&self, path: &[String]) -> bool {
        self.0.iter().any(|assignment| assignment.path == path)
    }
}

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let mut root = Map::new();
        for assignment in &self.0 {
            let value = to_config(&assignment.value, &assignment.origin);
            insert(&mut root, &assignment.path, value);
        }
        Ok(root)
    }
}

fn insert(map: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            map.insert(key.clone(), value);
        }
        [section, rest @ ..] => {
            let empty = || Value::new(None, ValueKind::Table(Map::new()));
            if let ValueKind::Table(inner) =
                &mut map.entry(section.clone()).or_insert_with(empty).kind
            {
                insert(inner, rest, value);
            }
        }
    }
}

fn to_config(value: &toml::Value, origin: &String) -> Value {
    let kind = match value {
        toml::Value::String(text) => ValueKind::String(text.clone()),
        toml::Value::Integer(number) => ValueKind::I64(*number),
        toml::Value::Float(number) => ValueKind::Float(*number),
        toml::Value::Boolean(flag) => ValueKind::Boolean(*flag),
        toml::Value::Datetime(time) => ValueKind::String(time.to_string()),
        toml::Value::Array(items) => {
            ValueKind::Array(items.iter().map(|item| to_config(item, origin)).collect())
        }
        toml::Value::Table(table) => ValueKind::Table(
            table
                .iter()
                .map(|(key, item)| (key.clone(), to_config(item, origin)))
                .collect(),
        ),
    };
    Value::new(Some(origin), kind)
}
