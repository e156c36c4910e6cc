//! Names of fields in any case. Longhorn's server is written in Go, whose JSON takes `HOSTID` for `hostId`, and scripts
//! were written against it.

use aurochs_api::describe::{Shape, Wire};
use serde_json::{Map, Value};

/// Gives the fields of a value, and of all that is in it, the names that their type has. A name that is right already wins
/// over one that differs in its case; what the type does not have stays as it is.
pub(super) fn correct(value: &mut Value, wire: Wire) {
    match (value, wire) {
        (Value::Object(fields), Wire::Named(shape)) => correct_fields(fields, shape()),
        (Value::Object(fields), Wire::Map(inner)) => fields.values_mut().for_each(|field| correct(field, *inner)),
        (Value::Array(items), Wire::List(inner)) => items.iter_mut().for_each(|item| correct(item, *inner)),
        (value, Wire::Nullable(inner)) => correct(value, *inner),
        _ => {}
    }
}

fn correct_fields(fields: &mut Map<String, Value>, shape: &Shape) {
    for field in shape.wire_fields() {
        if !fields.contains_key(field.name) {
            let close = fields.keys().find(|name| name.eq_ignore_ascii_case(field.name)).cloned();
            if let Some(found) = close.and_then(|name| fields.remove(&name)) {
                fields.insert(field.name.to_owned(), found);
            }
        }
        if let Some(value) = fields.get_mut(field.name) {
            correct(value, field.wire);
        }
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::describe::Described;
    use aurochs_api::node::DiskUpdateInput;
    use aurochs_api::volume::VolumeCreateInput;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_in_any_case_at_any_depth() {
        let mut body = json!({"DISKS": {"Disk-1": {"PATH": "/a", "allowscheduling": true, "Other": 1}}});
        correct(&mut body, DiskUpdateInput::WIRE);
        assert_eq!(body, json!({"disks": {"Disk-1": {"path": "/a", "allowScheduling": true, "Other": 1}}}));
    }

    #[test]
    fn the_right_name_wins() {
        let mut body = json!({"NAME": "wrong", "name": "right", "numberofreplicas": 2});
        correct(&mut body, VolumeCreateInput::WIRE);
        assert_eq!((&body["name"], &body["numberOfReplicas"]), (&json!("right"), &json!(2)));
    }

    #[test]
    fn what_has_another_form_is_left_to_the_reader() {
        let mut body = json!({"disks": [1, "x", null]});
        correct(&mut body, DiskUpdateInput::WIRE);
        assert_eq!(body, json!({"disks": [1, "x", null]}));
    }
}
