//! What Longhorn's definitions say (Longhorn 1.12), as two tables: `kinds.tsv` has names and the columns that `kubectl get`
//! prints, `fields.tsv` every field with its form and rules. `[]` behind a name stands for the items of a list, `{}` for the
//! values of a map.

const KINDS: &str = include_str!("kinds.tsv");
const FIELDS: &str = include_str!("fields.tsv");

/// A kind's names.
#[derive(Clone, Debug)]
pub struct KindFacts {
    pub kind: &'static str,
    pub plural: &'static str,
    pub short: &'static str,
    /// Heading and JSON path of what `kubectl get` prints.
    pub columns: Vec<(&'static str, &'static str)>,
}

/// A field.
#[derive(Clone, Debug)]
pub(super) struct FieldFacts {
    pub(super) path: &'static str,
    /// `string`, `integer(int64)`, `map<object>`, …
    pub(super) form: &'static str,
    pub(super) rules: Rules,
}

/// What an API server checks beyond the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// The words that a text can be; empty when it can be any.
    pub(super) words: Vec<&'static str>,
    pub(super) required: bool,
    pub(super) nullable: bool,
    pub(super) minimum: Option<i64>,
    pub(super) maximum: Option<i64>,
    pub(super) default: Option<&'static str>,
}

/// All kinds, in the order of the table.
pub(super) fn kinds() -> impl Iterator<Item = KindFacts> {
    KINDS.lines().skip(1).filter_map(|line| {
        let mut cells = line.split('\t');
        let (kind, plural, short) = (cells.next()?, cells.next()?, cells.next()?);
        let columns = cells.next()?.split("; ").filter_map(|column| column.split_once('=')).collect();
        Some(KindFacts { kind, plural, short, columns })
    })
}

/// The fields of a kind; what holds others stands before them.
pub(super) fn fields(kind: &str) -> impl Iterator<Item = FieldFacts> {
    FIELDS.lines().skip(1).filter_map(move |line| {
        let mut cells = line.split('\t');
        let (of, path, form) = (cells.next()?, cells.next()?, cells.next()?);
        let rules = cells.next().map(Rules::read).unwrap_or_default();
        (of == kind).then_some(FieldFacts { path, form, rules })
    })
}

/// The row that the table leaves out: `spec` and `status` themselves.
pub(super) fn part(path: &'static str) -> FieldFacts {
    FieldFacts { path, form: "object", rules: Rules::default() }
}

impl Rules {
    fn read(cell: &'static str) -> Self {
        let mut rules = Self::default();
        for rule in cell.split("; ") {
            match rule.split_once(' ') {
                None => {
                    rules.required |= rule == "required";
                    rules.nullable |= rule == "nullable";
                }
                Some(("one", words)) => {
                    let words = words.trim_start_matches("of ").split(' ');
                    rules.words = words.map(|word| if word == "\"\"" { "" } else { word }).collect();
                }
                Some(("minimum", number)) => rules.minimum = number.parse().ok(),
                Some(("maximum", number)) => rules.maximum = number.parse().ok(),
                Some(("default", word)) => rules.default = Some(word),
                Some(_) => {}
            }
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let rules = Rules::read("one of \"\" auto aio; nullable; required");
        assert_eq!(rules.words, ["", "auto", "aio"]);
        assert!(rules.nullable && rules.required && rules.default.is_none());
        let rules = Rules::read("minimum 4; maximum 1024");
        assert_eq!((rules.minimum, rules.maximum), (Some(4), Some(1024)));
    }

    #[test]
    fn every_line_is_one_fact_of_a_known_kind() {
        let kinds: Vec<KindFacts> = kinds().collect();
        assert_eq!(kinds.len(), KINDS.lines().count() - 1);
        let fields: usize = kinds.iter().map(|kind| fields(kind.kind).count()).sum();
        assert_eq!(fields, FIELDS.lines().count() - 1);
        for line in FIELDS.lines().skip(1) {
            for rule in line.split('\t').nth(3).into_iter().flat_map(|rules| rules.split("; ")) {
                let word = rule.split(' ').next().unwrap_or_default();
                let known = ["one", "required", "nullable", "minimum", "maximum", "default"];
                assert!(known.contains(&word), "{line}");
            }
        }
    }
}
