//! YAML as values.

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

/// Deeper than any resource; what is deeper would only use up the stack of who walks over it.
const DEPTH_MAXIMUM: usize = 64;

/// Why a text is not read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum YamlError {
    #[error("it is no YAML: {0}")]
    Syntax(String),
    #[error("it is YAML with {0}, which no resource has")]
    Foreign(&'static str),
}

/// The one document of a text; nothing in it is null. Memory is bound by the text: no part of it can be repeated by name.
///
/// # Errors
/// It is no YAML, or has what JSON can't say: names for parts, types of its own, keys that are no words.
pub fn read(text: &str) -> Result<Value, YamlError> {
    let mut builder = Builder::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| YamlError::Syntax(error.to_string()))?;
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(YamlError::Foreign("several documents"));
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::Alias(_) => return Err(YamlError::Foreign("names for its parts")),
            Event::Scalar(said, style, _, tag) => builder.scalar(&said, style, tag.as_deref())?,
            Event::SequenceStart(_, tag) => {
                check_tag(tag.as_deref())?;
                builder.open(Open::List(Vec::new()))?;
            }
            Event::MappingStart(_, tag) => {
                check_tag(tag.as_deref())?;
                builder.open(Open::Fields(Map::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
        }
    }
    Ok(builder.whole.unwrap_or_default())
}

/// Types that YAML itself has are those that the text shows.
fn check_tag(tag: Option<&Tag>) -> Result<(), YamlError> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => Err(YamlError::Foreign("types of its own")),
        _ => Ok(()),
    }
}

/// What has begun and not ended.
enum Open {
    List(Vec<Value>),
    /// With the key whose value comes next.
    Fields(Map<String, Value>, Option<String>),
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    whole: Option<Value>,
}

impl Builder {
    fn open(&mut self, part: Open) -> Result<(), YamlError> {
        if matches!(self.open.last(), Some(Open::Fields(_, None))) {
            return Err(YamlError::Foreign("keys that are no words"));
        }
        if self.open.len() >= DEPTH_MAXIMUM {
            return Err(YamlError::Foreign("more levels than 64"));
        }
        self.open.push(part);
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlError> {
        match self.open.pop() {
            Some(Open::List(items)) => self.put(Value::Array(items)),
            Some(Open::Fields(fields, _)) => self.put(Value::Object(fields)),
            None => Err(YamlError::Syntax("an end without a beginning".to_owned())),
        }
    }

    fn scalar(&mut self, said: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<(), YamlError> {
        check_tag(tag)?;
        if let Some(Open::Fields(fields, key @ None)) = self.open.last_mut() {
            if fields.contains_key(said) {
                return Err(YamlError::Syntax(format!("the key {said:?} is there twice")));
            }
            *key = Some(said.to_owned());
            return Ok(());
        }
        let is_text = !matches!(style, ScalarStyle::Plain) || tag.is_some_and(|tag| tag.suffix == "str");
        self.put(if is_text { said.into() } else { plain(said) })
    }

    fn put(&mut self, value: Value) -> Result<(), YamlError> {
        match self.open.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Fields(fields, key)) => {
                let key = key.take().ok_or(YamlError::Foreign("keys that are no words"))?;
                fields.insert(key, value);
            }
            None => self.whole = Some(value),
        }
        Ok(())
    }
}

/// What stands there without quotes: numbers as JSON has them, everything else that is no truth value is text.
fn plain(said: &str) -> Value {
    match said {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        said => serde_json::from_str::<Number>(said).map_or_else(|_| said.into(), Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As Go's library writes them: lines that are too long are folded, several lines are a block.
    #[test]
    fn what_others_write() {
        let text = "---
apiVersion: longhorn.io/v1beta2
items:
- metadata:
    creationTimestamp: \"2026-11-21T02:11:28Z\"
    labels: {a: b, 'c d': \"e\"}
  spec:
    fromBackup: s3://bucket@region/path?backup=backup-0123456789abcdef&volume=data
    long: one two
      three
    block: |
      a
        b
    empty:
    size: \"5\"
    count: 5
    share: 0.5
    flag: true
    octal: 0644
    nothing: ~
kind: VolumeList
";
        let expected = json!({
            "apiVersion": "longhorn.io/v1beta2",
            "items": [{
                "metadata": {"creationTimestamp": "2026-11-21T02:11:28Z", "labels": {"a": "b", "c d": "e"}},
                "spec": {
                    "fromBackup": "s3://bucket@region/path?backup=backup-0123456789abcdef&volume=data",
                    "long": "one two three", "block": "a\n  b\n", "empty": null, "size": "5", "count": 5,
                    "share": 0.5, "flag": true, "octal": "0644", "nothing": null,
                },
            }],
            "kind": "VolumeList",
        });
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read("").unwrap(), Value::Null);
        assert_eq!(read("{\"json\": [1, \"a\"]}").unwrap(), json!({"json": [1, "a"]}));
    }

    #[test]
    fn what_is_refused() {
        for (text, words) in [
            ("a: &x [1]\nb: *x\n", "names for its parts"),
            ("a: !thing 1\n", "types of its own"),
            ("? [a]\n: 1\n", "no words"),
            ("a: 1\na: 2\n", "twice"),
            ("a: 1\n---\nb: 2\n", "several documents"),
            ("a: [1\n", "no YAML"),
            ("a: \"b", "no YAML"),
        ] {
            let told = read(text).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
        let deep = "[".repeat(10_000);
        assert!(read(&deep).is_err());
        assert!(read(&format!("{}{}", "[".repeat(60), "]".repeat(60))).is_ok());
    }
}
