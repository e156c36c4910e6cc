//! Types whose nouns do not describe themselves yet: see [`crate::nouns::schema`], which tells clients of all.
//!
//! One table. A field's flags are words: `create`, `update`, `required`, `unique`, `nullable`, `default=…`.

use aurochs_api::describe::Flags;

/// One type.
#[derive(Debug)]
pub struct Type {
    pub id: &'static str,
    pub fields: &'static [Field],
    pub actions: &'static [Action],
}

/// Name, type, flags.
pub type Field = (&'static str, &'static str, &'static str);
/// Name, type of the body, type of the answer; empty for none.
pub type Action = (&'static str, &'static str, &'static str);

impl Type {
    /// Flags of a field, by their words.
    #[must_use]
    pub fn flags(flags: &str) -> (Flags, Option<&str>) {
        let has = |flag: &str| flags.split(' ').any(|word| word == flag);
        let found = Flags {
            create: has("create"),
            update: has("update"),
            required: has("required"),
            unique: has("unique"),
            nullable: has("nullable"),
            ours: false,
        };
        (found, flags.split(' ').find_map(|word| word.strip_prefix("default=")))
    }
}

const fn row(id: &'static str, fields: &'static [Field]) -> Type {
    Type { id, fields, actions: &[] }
}

/// All types.
pub const TYPES: &[Type] = &[
    Type {
        id: "instanceManager",
        fields: &[
            ("currentState", "string", ""),
            ("dataEngine", "string", ""),
            ("image", "string", ""),
            ("instanceEngines", "map[string]", ""),
            ("instanceReplicas", "map[string]", ""),
            ("managerType", "string", ""),
            ("name", "string", ""),
            ("nodeID", "string", ""),
        ],
        actions: &[],
    },
    row(
        "instanceProcess",
        &[("state", "string", ""), ("address", "string", ""), ("pid", "int", ""), ("error", "string", "")],
    ),
    row("session", &[("user", "string", ""), ("version", "string", ""), ("cluster", "string", "")]),
    row("error", &[("status", "int", ""), ("code", "string", ""), ("message", "string", ""), ("detail", "string", "")]),
    row("apiVersion", &[]),
    row("schema", &[]),
];
