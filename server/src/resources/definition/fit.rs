//! What has to be done to a value of ours before an API server takes it, and so that nothing of others is lost by it.

use serde_json::Value;

use super::Definition;
use super::schema::{Form, Schema};

impl Definition {
    /// Where the fields of `spec` or `status` stand.
    fn part(&self, part: &str) -> &Schema {
        self.schema.field(part).unwrap_or(&self.schema)
    }

    /// Leaves out what says nothing: nulls, and where only some words, dates or numbers are let in, the empty ones. Our
    /// types read what is absent as the same.
    pub fn leave_out_empty(&self, part: &str, value: &mut Value) {
        leave_out_empty(self.part(part), value);
    }

    /// Brings into the next value what the stored one has and no type of ours: fields of Longhorn's that we have no use for,
    /// which would be gone otherwise with the first write.
    pub fn keep_foreign(&self, part: &str, stored: &Value, next: &mut Value) {
        keep_foreign(self.part(part), stored, next);
    }
}

fn leave_out_empty(schema: &Schema, value: &mut Value) {
    match (&schema.form, value) {
        (Form::Object(object), Value::Object(fields)) => fields.retain(|name, value| {
            let Some(field) = object.fields.get(name.as_str()) else { return !value.is_null() };
            leave_out_empty(field, value);
            !value.is_null() && !field.refuses_empty(value)
        }),
        (Form::Map(inner), Value::Object(values)) => {
            values.values_mut().for_each(|value| leave_out_empty(inner, value));
        }
        (Form::List(item), Value::Array(values)) => values.iter_mut().for_each(|value| leave_out_empty(item, value)),
        _ => {}
    }
}

fn keep_foreign(schema: &Schema, stored: &Value, next: &mut Value) {
    let (Value::Object(stored), Value::Object(next)) = (stored, next) else { return };
    match &schema.form {
        Form::Object(object) => {
            for (name, field) in &object.fields {
                match (stored.get(*name), next.get_mut(*name)) {
                    (Some(stored), Some(next)) => keep_foreign(field, stored, next),
                    (Some(stored), None) if !field.ours => {
                        next.insert((*name).to_owned(), stored.clone());
                    }
                    _ => {}
                }
            }
        }
        Form::Map(inner) => {
            for (key, next) in next {
                if let Some(stored) = stored.get(key) {
                    keep_foreign(inner, stored, next);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::all;
    use super::*;

    fn definition(kind: &str) -> Definition {
        all().into_iter().find(|definition| definition.names.kind == kind).unwrap()
    }

    #[test]
    fn what_an_api_server_would_refuse_is_left_out() {
        let mut spec = json!({"dataEngine": "", "nodeID": "", "frontend": "", "size": "1"});
        definition("Volume").leave_out_empty("spec", &mut spec);
        assert_eq!(spec, json!({"nodeID": "", "frontend": "", "size": "1"}));
        let mut spec = json!({"dataChunks": 0, "volumeName": "v", "creationSize": 0});
        definition("ShardGroup").leave_out_empty("spec", &mut spec);
        assert_eq!(spec, json!({"volumeName": "v", "creationSize": 0}));
        let mut status = json!({"lastSyncedAt": "", "state": "", "labels": null});
        definition("Backup").leave_out_empty("status", &mut status);
        assert_eq!(status, json!({"state": ""}));
    }

    #[test]
    fn fields_that_only_longhorn_has_stay() {
        let stored = json!({"currentState": "running", "instanceShards": {"s": {}}, "pid": 5});
        let mut next = json!({"currentState": "stopped"});
        definition("InstanceManager").keep_foreign("status", &stored, &mut next);
        assert_eq!(next, json!({"currentState": "stopped", "instanceShards": {"s": {}}}));
    }

    #[test]
    fn what_is_removed_from_a_map_is_removed() {
        let stored = json!({"disks": {"a": {"path": "/a"}, "b": {"path": "/b"}}});
        let mut next = json!({"disks": {"a": {"path": "/c"}}});
        definition("Node").keep_foreign("spec", &stored, &mut next);
        assert_eq!(next, json!({"disks": {"a": {"path": "/c"}}}));
    }
}
