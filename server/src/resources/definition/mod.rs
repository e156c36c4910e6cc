//! Custom resource definitions: what a Kubernetes API server has to know of our kinds.
//!
//! Names, columns and rules are Longhorn's ([`facts`]), so that its users' manifests and scripts go on working; the fields
//! are Longhorn's and those of our types ([`schema`]), so that neither an object of Longhorn's nor one of ours is cut. The
//! whole is checked in as `deploy/chart/files/crds.yaml`; `aurochs crds` prints it.

mod facts;
mod fit;
mod schema;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use aurochs_api::describe::{Shape, Shaped};
use serde_json::{Value, json};

use super::{
    BackingImage, BackingImageDataSource, BackingImageManager, Backup, BackupBackingImage, BackupTarget, BackupVolume,
    Engine, EngineImage, GROUP, InstanceManager, Kind, Node, Orphan, RecurringJob, Replica, Setting, Shard, ShardGroup,
    ShareManager, Snapshot, SupportBundle, SystemBackup, SystemRestore, Volume, VolumeAttachment,
};
use crate::yaml;

pub use facts::KindFacts;
pub use schema::{Clash, Form, Object as ObjectSchema, Schema};

/// The version of the API that Longhorn serves and stores.
pub const VERSION: &str = "v1beta2";

/// One kind.
#[derive(Clone, Debug)]
pub struct Definition {
    pub names: KindFacts,
    /// Of the whole object; `spec` and `status` are below it, and what stands beside them.
    pub schema: Schema,
    /// Whether objects have to wait for us when they are deleted.
    pub finalized: bool,
    /// Where a type of ours contradicts Longhorn. A test sees to it that there is nothing.
    pub clashes: Vec<Clash>,
}

/// Kind, shape of its spec, shape of its status, whether it has the finalizer.
type Shapes = (&'static str, &'static Shape, &'static Shape, bool);

macro_rules! shapes {
    ($($kind:ident),* $(,)?) => {
        [$((
            <$kind as Kind>::KIND,
            <$kind as Kind>::Spec::shape(),
            <$kind as Kind>::Status::shape(),
            <$kind as Kind>::FINALIZED,
        )),*]
    };
}

/// The kinds that we have types for. Longhorn's `EngineFrontend` is of its second engine alone.
fn shapes() -> [Shapes; 24] {
    shapes![
        BackingImage,
        BackingImageDataSource,
        BackingImageManager,
        Backup,
        BackupBackingImage,
        BackupTarget,
        BackupVolume,
        Engine,
        EngineImage,
        InstanceManager,
        Node,
        Orphan,
        RecurringJob,
        Replica,
        Setting,
        Shard,
        ShardGroup,
        ShareManager,
        Snapshot,
        SupportBundle,
        SystemBackup,
        SystemRestore,
        Volume,
        VolumeAttachment,
    ]
}

/// The definitions of all kinds, by plural.
#[must_use]
pub fn all() -> Vec<Definition> {
    let mut all: Vec<Definition> = facts::kinds().map(Definition::new).collect();
    all.sort_by_key(|definition| definition.names.plural);
    all
}

/// The definition of the kind with this plural.
#[must_use]
pub fn of(plural: &str) -> Option<&'static Definition> {
    static ALL: LazyLock<Vec<Definition>> = LazyLock::new(all);
    ALL.iter().find(|definition| definition.names.plural == plural)
}

/// Of all kinds that we have types for.
#[must_use]
pub fn plurals() -> Vec<&'static str> {
    all().iter().filter(|definition| definition.is_ours()).map(|definition| definition.names.plural).collect()
}

/// All definitions as one text, to be applied.
#[must_use]
pub fn manifest() -> String {
    let documents = all().into_iter().map(|definition| format!("---\n{}", yaml::write(&definition.json())));
    format!("{HEAD}{}", documents.collect::<String>())
}

const HEAD: &str =
    "# The custom resource definitions. Made by `aurochs crds` of the types in server/src/resources: change those.\n";

impl Definition {
    fn new(names: KindFacts) -> Self {
        let mut schema = Schema::object();
        let mut clashes = Vec::new();
        let mut rows = facts::fields(names.kind).collect::<Vec<_>>();
        for part in ["spec", "status"] {
            if rows.iter().any(|row| row.path.starts_with(part)) {
                rows.insert(0, facts::part(part));
            }
        }
        for row in &rows {
            if !schema.put(row) {
                let why = "the table of facts contradicts itself".to_owned();
                clashes.push(Clash { path: row.path.to_owned(), why });
            }
        }
        let mut finalized = false;
        if let Some((_, spec, status, waits)) = shapes().into_iter().find(|(kind, ..)| *kind == names.kind) {
            finalized = waits;
            schema.take_part("spec", spec, &mut clashes);
            schema.take_part("status", status, &mut clashes);
        }
        Self { names, schema, finalized, clashes }
    }

    /// Whether the spec stands below `spec`. A setting's value stands at the top.
    #[must_use]
    pub fn has_spec(&self) -> bool {
        self.schema.field("spec").is_some()
    }

    /// Whether a type of ours stands for it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.schema.field("status").is_some_and(|status| status.ours)
    }

    /// `volumes.longhorn.io`
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{GROUP}", self.names.plural)
    }

    /// The manifest.
    #[must_use]
    pub fn json(&self) -> Value {
        let KindFacts { kind, plural, short, .. } = &self.names;
        let mut schema = self.schema.json();
        schema["properties"]["apiVersion"] = json!({"type": "string"});
        schema["properties"]["kind"] = json!({"type": "string"});
        schema["properties"]["metadata"] = json!({"type": "object"});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.name()},
            "spec": {
                "conversion": {"strategy": "None"},
                "group": GROUP,
                "names": {
                    "kind": kind,
                    "listKind": format!("{kind}List"),
                    "plural": plural,
                    "shortNames": [short],
                    "singular": kind.to_lowercase(),
                },
                "scope": "Namespaced",
                "versions": [{
                    "name": VERSION,
                    "served": true,
                    "storage": true,
                    "additionalPrinterColumns": self.columns(),
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }],
            },
        })
    }

    fn columns(&self) -> Vec<Value> {
        let column = |(name, path): &(&'static str, &'static str)| json!({"name": name, "jsonPath": path, "type": self.column_type(path)});
        self.names.columns.iter().map(column).collect()
    }

    fn column_type(&self, path: &str) -> &'static str {
        if path == ".metadata.creationTimestamp" {
            return "date";
        }
        let mut found = Some(&self.schema);
        for part in path.trim_start_matches('.').split('.') {
            found = found.and_then(|schema| schema.field(part));
        }
        match found.map(|schema| &schema.form) {
            Some(Form::Integer) => "integer",
            Some(Form::Bool) => "boolean",
            // A path that chooses among conditions ends here, too: what it finds is text.
            _ => "string",
        }
    }
}
