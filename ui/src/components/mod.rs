//! Small parts that know no resource.

pub(crate) mod badge;
pub(crate) mod bar;
pub(crate) mod call;
pub(crate) mod causes;
pub(crate) mod chart;
pub(crate) mod command;
pub(crate) mod consequences;
pub(crate) mod cron;
pub(crate) mod dialog;
pub(crate) mod facts;
pub(crate) mod form;
pub(crate) mod icon;
pub(crate) mod menu;
pub(crate) mod page;
pub(crate) mod places;
pub(crate) mod skeleton;
pub(crate) mod table;
pub(crate) mod when;
