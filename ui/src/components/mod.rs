//! Small parts that know no resource.

pub(crate) mod badge;
pub(crate) mod bar;
pub(crate) mod call;
pub(crate) mod command;
pub(crate) mod dialog;
pub(crate) mod icon;
pub(crate) mod menu;
pub(crate) mod places;
pub(crate) mod skeleton;
pub(crate) mod when;
