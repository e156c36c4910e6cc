//! YAML as Kubernetes writes and reads it: what JSON can say, in blocks.
//!
//! [`write()`] gives the one form that Kubernetes' own tools give (keys sorted, lists not indented), so that old readers of
//! YAML 1.1 take no word for something else; [`read()`] takes what anybody writes, within bounds, since it comes from a
//! place that others write to.

mod read;
mod write;

pub use read::{YamlError, read};
pub use write::write;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let words = [
            "",
            " ",
            "a b",
            "true",
            "no",
            "Null",
            "~",
            "1",
            "0x1f",
            "1e3",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#",
            "'",
            "\"",
            "\\",
            "a\nb\n",
            "\t",
            "2026-11-22T10:00:00Z",
            "@every 6h",
            "0 2 * * *",
            "名",
            "\u{7f}\u{85}\u{2028}\u{feff}",
            "{\"v1\":\"true\"}",
            "[",
            "*a",
            "&a",
            "!a",
            "%",
            "`",
            "|",
            ">",
            "a:",
            "=",
            "<<",
            "12:30",
            "1_000",
            ".inf",
            "vfs:///backups?backup=b&volume=v",
            "\u{1f600}",
        ];
        let value = json!({
            "words": words.to_vec(),
            "keys": words.iter().map(|word| ((*word).to_owned(), json!(1))).collect::<serde_json::Map<_, _>>(),
            "numbers": [0, -1, 1.5, u64::MAX, i64::MIN, 1e300],
            "others": [true, false, null, {}, [], [[]], [{}], [[1, [2]], {"a": [{"b": {"c": []}}]}]],
            "": {"": ""},
        });
        let text = write(&value);
        assert_eq!(read(&text).unwrap(), value, "{text}");
    }
}
