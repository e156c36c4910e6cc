//! What the system tells about itself.

use super::Name;
use crate::feature::Feature;
use crate::settings::ValueType;
use crate::settings::definition::{Definition, text};

pub(super) const ROWS: &[Definition] = &[
    text(Name::CrdApiVersion, "")
        .tells()
        .says("Custom Resource API Version", "Group and version of the resources that this version reads and writes."),
    text(Name::CurrentLonghornVersion, env!("CARGO_PKG_VERSION"))
        .optional()
        .tells()
        .says("Current Longhorn Version", "The version that runs."),
    text(Name::DefaultBackingImageManagerImage, "").typed(ValueType::Deprecated).tells().says(
        "Default Backing Image Manager Image",
        "The image that keeps backing images on the nodes, if there is one.",
    ),
    text(Name::DefaultEngineImage, "")
        .tells()
        .says("Default Engine Image", "The engine that new volumes get, and detached ones when they are attached."),
    text(Name::DefaultInstanceManagerImage, "")
        .typed(ValueType::Deprecated)
        .tells()
        .says("Default Instance Manager Image", "The image that starts engines and replicas on the nodes."),
    text(Name::LatestLonghornVersion, "")
        .optional()
        .tells()
        .says("Latest Longhorn Version", "The newest version that an upgrade check found; empty, since none is made."),
    text(Name::StableLonghornVersions, "").optional().tells().says(
        "Stable Longhorn Versions",
        "The newest stable versions that an upgrade check found; empty, since none is made.",
    ),
    text(Name::SupportBundleManagerImage, "")
        .later(Feature::Kubernetes)
        .says("Support Bundle Manager Image", "The image that collects a support bundle in a cluster."),
];
