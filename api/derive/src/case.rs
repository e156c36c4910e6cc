//! serde's `rename_all` rules.

/// How names are spelled on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    #[default]
    AsWritten,
    Lower,
    Upper,
    Camel,
    Kebab,
}

impl Case {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "camelCase" => Self::Camel,
            "kebab-case" => Self::Kebab,
            _ => return None,
        })
    }

    /// Of a field, which is written in snake case.
    pub(crate) fn of_field(self, name: &str) -> String {
        match self {
            Self::AsWritten | Self::Lower => name.to_owned(),
            Self::Upper => name.to_uppercase(),
            Self::Camel => lower_first(&name.split('_').map(upper_first).collect::<String>()),
            Self::Kebab => name.replace('_', "-"),
        }
    }

    /// Of a variant, which is written in Pascal case.
    pub(crate) fn of_variant(self, name: &str) -> String {
        match self {
            Self::AsWritten => name.to_owned(),
            Self::Lower => name.to_lowercase(),
            Self::Upper => name.to_uppercase(),
            Self::Camel => lower_first(name),
            Self::Kebab => {
                let mut kebab = String::new();
                for (index, letter) in name.char_indices() {
                    if index > 0 && letter.is_uppercase() {
                        kebab.push('-');
                    }
                    kebab.extend(letter.to_lowercase());
                }
                kebab
            }
        }
    }
}

/// `volumeName` of `VolumeName`.
pub(crate) fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn upper_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_serde_spells_them() {
        assert_eq!(Case::Camel.of_field("storage_reserved"), "storageReserved");
        assert_eq!(Case::Lower.of_field("storage_reserved"), "storage_reserved");
        assert_eq!(Case::Kebab.of_variant("NotEnoughNodes"), "not-enough-nodes");
        assert_eq!(Case::Lower.of_variant("Healthy"), "healthy");
        assert_eq!(Case::Camel.of_variant("FullCopy"), "fullCopy");
    }
}
