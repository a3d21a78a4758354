//! The flags that change the configuration: `-c key=value`, `--enable`, `--disable`.

/// Overrides of the configuration for this process.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigFlags {
    /// Override a key of config.toml, with dots for tables; the value is TOML, or else a plain text. Repeatable.
    #[arg(short = 'c', long = "config", value_name = "key=value", global = true, action = clap::ArgAction::Append)]
    config: Vec<String>,
    /// Turn a feature on: the same as `-c features.<FEATURE>=true`. Repeatable.
    #[arg(long, value_name = "FEATURE", global = true, action = clap::ArgAction::Append)]
    enable: Vec<String>,
    /// Turn a feature off: the same as `-c features.<FEATURE>=false`. Repeatable.
    #[arg(long, value_name = "FEATURE", global = true, action = clap::ArgAction::Append)]
    disable: Vec<String>,
}

/// What is wrong with an override.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// No value.
    #[error("error parsing -c overrides: Invalid override (missing '='): {0}")]
    NoValue(String),
    /// No key.
    #[error("error parsing -c overrides: Empty key in override: {0}")]
    NoKey(String),
}

impl ConfigFlags {
    /// All overrides as pairs, in the order in which they apply.
    pub fn pairs(&self) -> Result<Vec<(String, String)>, FlagError> {
        let mut pairs = Vec::new();
        for text in &self.config {
            let (key, value) = text.split_once('=').ok_or_else(|| FlagError::NoValue(text.clone()))?;
            match key.trim() {
                "" => return Err(FlagError::NoKey(text.clone())),
                key => pairs.push((key.to_string(), value.trim().to_string())),
            }
        }
        let switch = |feature: &String, on: bool| (format!("features.{feature}"), on.to_string());
        pairs.extend(self.enable.iter().map(|feature| switch(feature, true)));
        pairs.extend(self.disable.iter().map(|feature| switch(feature, false)));
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(config: &[&str]) -> ConfigFlags {
        ConfigFlags {
            config: config.iter().map(ToString::to_string).collect(),
            enable: vec!["a".into()],
            disable: vec!["b".into()],
        }
    }

    #[test]
    fn overrides_become_pairs() {
        let pairs = flags(&["model=\"x=y\"", "a.b = 1"]).pairs().expect("pairs");
        let expected = [
            ("model", "\"x=y\""),
            ("a.b", "1"),
            ("features.a", "true"),
            ("features.b", "false"),
        ];
        assert_eq!(pairs, expected.map(|(key, value)| (key.to_string(), value.to_string())));
    }

    #[test]
    fn broken_overrides_are_shown() {
        let text = |config| flags(&[config]).pairs().expect_err("a refusal").to_string();
        assert_eq!(
            text("foo"),
            "error parsing -c overrides: Invalid override (missing '='): foo"
        );
        assert_eq!(text("=x"), "error parsing -c overrides: Empty key in override: =x");
    }
}
