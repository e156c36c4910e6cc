//! Support bundles: resources, settings, events and logs in one archive, without secrets.
//!
//! Not built yet.
