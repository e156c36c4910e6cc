//! The definitions against Longhorn's facts, against our types, and against what is checked in.

use serde_json::Value;

use super::super::Object;
use super::facts::{self, FieldFacts};
use super::*;

const CHECKED_IN: &str = include_str!("../../../../deploy/chart/files/crds.yaml");

/// The definitions as an API server reads them, by kind.
fn read() -> Vec<(String, Value)> {
    let documents = CHECKED_IN.split("---\n").skip(1).map(|text| yaml::read(text).unwrap());
    documents.map(|document| (document["spec"]["names"]["kind"].as_str().unwrap().to_owned(), document)).collect()
}

fn schema_of<'a>(definitions: &'a [(String, Value)], kind: &str) -> &'a Value {
    let (_, definition) = definitions.iter().find(|(found, _)| found == kind).unwrap();
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

#[test]
fn what_is_checked_in_is_what_the_types_say() {
    let now = manifest();
    let first = now.lines().zip(CHECKED_IN.lines()).find(|(now, then)| now != then);
    assert!(
        now == CHECKED_IN,
        "run `aurochs crds > deploy/chart/files/crds.yaml`; the first line that differs: {first:?}"
    );
}

#[test]
fn no_type_of_ours_contradicts_longhorn() {
    let clashes: Vec<(&str, Clash)> = all()
        .into_iter()
        .flat_map(|definition| definition.clashes.into_iter().map(move |clash| (definition.names.kind, clash)))
        .collect();
    assert!(clashes.is_empty(), "{clashes:#?}");
}

/// The node of the schema at a path of the table, and whether its parent requires it.
fn find<'a>(schema: &'a Value, path: &str) -> Option<(&'a Value, bool)> {
    let (mut found, mut required) = (schema, false);
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let name = part.trim_end_matches("[]").trim_end_matches("{}");
        required = found["required"].as_array().is_some_and(|names| names.iter().any(|found| found == name));
        found = found["properties"].get(name)?;
        if parts.peek().is_some() && part.ends_with("[]") {
            found = found.get("items")?;
        } else if parts.peek().is_some() && part.ends_with("{}") {
            found = found.get("additionalProperties")?;
        }
    }
    Some((found, required))
}

/// Longhorn's word for the form of a node.
fn form(node: &Value) -> String {
    let plain = |kind: &str| match node["format"].as_str() {
        Some(format) => format!("{kind}({format})"),
        None => kind.to_owned(),
    };
    match node["type"].as_str().unwrap_or_default() {
        "array" => format!("array<{}>", form(&node["items"])),
        "object" if node.get("additionalProperties").is_some() => {
            format!("map<{}>", form(&node["additionalProperties"]))
        }
        other => plain(other),
    }
}

#[test]
fn every_fact_of_longhorn_is_in_the_file() {
    let definitions = read();
    assert_eq!(definitions.len(), 25);
    for names in facts::kinds() {
        let schema = schema_of(&definitions, names.kind);
        for FieldFacts { path, form: wanted, rules } in facts::fields(names.kind) {
            let place = format!("{} {path}", names.kind);
            let (node, required) = find(schema, path).unwrap_or_else(|| panic!("{place} is not there"));
            assert_eq!(form(node), wanted, "{place}");
            assert_eq!(required, rules.required, "{place}");
            // Where a type of ours can be nothing, it is let in.
            assert!(!rules.nullable || node["nullable"] == true, "{place}");
            let words: Vec<&str> = node["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert!(rules.words.iter().all(|word| words.contains(word)), "{place}: {words:?}");
            assert_eq!(rules.words.is_empty(), words.is_empty(), "{place}");
            assert_eq!(node["minimum"].as_i64(), rules.minimum, "{place}");
            assert_eq!(node["maximum"].as_i64(), rules.maximum, "{place}");
            assert_eq!(node["default"].as_str(), rules.default, "{place}");
        }
    }
}

#[test]
fn names_and_columns_are_longhorns() {
    for (names, (kind, definition)) in all().iter().map(|definition| &definition.names).zip(read()) {
        let spec = &definition["spec"];
        assert_eq!(names.kind, kind);
        assert_eq!(definition["metadata"]["name"], format!("{}.longhorn.io", names.plural));
        assert_eq!(spec["names"]["shortNames"][0], names.short);
        let version = &spec["versions"][0];
        assert_eq!(version["name"], "v1beta2");
        assert_eq!(version["subresources"]["status"], serde_json::json!({}));
        let columns: Vec<(&str, &str)> = version["additionalPrinterColumns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| (column["name"].as_str().unwrap(), column["jsonPath"].as_str().unwrap()))
            .collect();
        assert_eq!(columns, names.columns);
    }
    let definitions = all();
    let of = |kind: &str| definitions.iter().find(|definition| definition.names.kind == kind).unwrap();
    assert_eq!(of("RecurringJob").column_type(".spec.retain"), "integer");
    assert_eq!(of("Node").column_type(".spec.allowScheduling"), "boolean");
    assert_eq!(of("Node").column_type(".status.conditions[?(@.type=='Ready')].status"), "string");
    assert_eq!(of("Volume").column_type(".metadata.creationTimestamp"), "date");
}

/// Words that Longhorn's definitions allow and our types could not read.
#[test]
fn every_word_that_longhorn_may_write_is_read() {
    fn check(shape: &'static Shape, schema: &Schema, path: &str, unread: &mut Vec<String>) {
        for field in shape.wire_fields() {
            let Some(known) = schema.field(field.name) else { continue };
            let path = format!("{path}.{}", field.name);
            if !field.options.is_empty() {
                let words = known.words.iter().filter(|word| !word.is_empty() && !field.options.contains(word));
                unread.extend(words.map(|word| format!("{path}: {word}")));
            }
            match &known.form {
                Form::List(inner) | Form::Map(inner) => {
                    if let Some(shape) = field.wire.named() {
                        check(shape, inner, &path, unread);
                    }
                }
                _ => {
                    if let Some(shape) = field.wire.named() {
                        check(shape, known, &path, unread);
                    }
                }
            }
        }
    }
    let mut unread = Vec::new();
    for definition in all() {
        // Of the facts alone: `all` has our words added.
        let mut schema = Schema::object();
        for part in ["spec", "status"] {
            assert!(schema.put(&facts::part(part)));
        }
        for fact in facts::fields(definition.names.kind) {
            schema.put(&fact);
        }
        if let Some((_, spec, status, _)) = shapes().into_iter().find(|(kind, ..)| *kind == definition.names.kind) {
            let kind = definition.names.kind;
            check(spec, schema.field("spec").unwrap(), &format!("{kind} spec"), &mut unread);
            check(status, schema.field("status").unwrap(), &format!("{kind} status"), &mut unread);
        }
    }
    assert_eq!(unread, Vec::<String>::new());
}

/// What an API server would say against a value.
fn objections(schema: &Schema, value: &Value, path: &str, found: &mut Vec<String>) {
    let fits = match (&schema.form, value) {
        (_, Value::Null) => schema.nullable,
        (Form::Any, _) | (Form::Bool, Value::Bool(_)) | (Form::Integer | Form::Float, Value::Number(_)) => true,
        (Form::Text, Value::String(word)) => schema.words.is_empty() || schema.words.contains(&word.as_str()),
        (Form::List(item), Value::Array(values)) => {
            values.iter().for_each(|value| objections(item, value, &format!("{path}[]"), found));
            true
        }
        (Form::Map(inner), Value::Object(values)) => {
            values.values().for_each(|value| objections(inner, value, &format!("{path}{{}}"), found));
            true
        }
        (Form::Object(_), Value::Object(values)) => {
            for (name, value) in values {
                match schema.field(name) {
                    Some(field) => objections(field, value, &format!("{path}.{name}"), found),
                    None => found.push(format!("{path}.{name} would be cut")),
                }
            }
            true
        }
        _ => false,
    };
    if !fits {
        found.push(format!("{path} can't be {value}"));
    }
}

fn check_new<K: Kind>(found: &mut Vec<String>) {
    let definitions = all();
    let definition = definitions.iter().find(|definition| definition.names.kind == K::KIND).unwrap();
    let object = serde_json::to_value(Object::<K>::default()).unwrap();
    let spec = definition.schema.field("spec").unwrap_or(&definition.schema);
    for (part, schema) in [("spec", spec), ("status", definition.schema.field("status").unwrap())] {
        let mut value = object[part].clone();
        definition.leave_out_empty(part, &mut value);
        objections(schema, &value, &format!("{} {part}", K::KIND), found);
    }
}

#[test]
fn a_new_object_of_ours_is_taken() {
    let mut found = Vec::new();
    check_new::<Volume>(&mut found);
    check_new::<Engine>(&mut found);
    check_new::<Replica>(&mut found);
    check_new::<Node>(&mut found);
    check_new::<Setting>(&mut found);
    check_new::<Snapshot>(&mut found);
    check_new::<Backup>(&mut found);
    check_new::<BackupTarget>(&mut found);
    check_new::<BackupVolume>(&mut found);
    check_new::<BackupBackingImage>(&mut found);
    check_new::<BackingImage>(&mut found);
    check_new::<BackingImageDataSource>(&mut found);
    check_new::<BackingImageManager>(&mut found);
    check_new::<InstanceManager>(&mut found);
    check_new::<EngineImage>(&mut found);
    check_new::<RecurringJob>(&mut found);
    check_new::<Orphan>(&mut found);
    check_new::<ShareManager>(&mut found);
    check_new::<SupportBundle>(&mut found);
    check_new::<SystemBackup>(&mut found);
    check_new::<SystemRestore>(&mut found);
    check_new::<VolumeAttachment>(&mut found);
    assert_eq!(found, Vec::<String>::new());
}
