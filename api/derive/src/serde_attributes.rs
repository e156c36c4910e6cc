//! The serde attributes that decide about names and presence.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, LitStr, Token};

use crate::case::Case;

/// Of a struct or enum.
#[derive(Default)]
pub(crate) struct OfType {
    pub(crate) rename_all: Case,
}

/// Of a field or variant.
#[derive(Default)]
pub(crate) struct OfMember {
    pub(crate) rename: Option<String>,
    pub(crate) flatten: bool,
    /// It is never written.
    pub(crate) skipped: bool,
    /// It is left out when `skip_serializing_if` says so.
    pub(crate) sometimes_omitted: bool,
    /// A function decides about the JSON form, so the type does not tell it.
    pub(crate) own_form: bool,
}

impl OfType {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut found = Self::default();
        each(attributes, |meta| {
            if meta.path.is_ident("rename_all") {
                let word: LitStr = meta.value()?.parse()?;
                let case = Case::parse(&word.value());
                found.rename_all =
                    case.ok_or_else(|| syn::Error::new(word.span(), "case.rs does not know this rule"))?;
                return Ok(());
            }
            ignore(&meta, &["default", "bound", "expecting", "deny_unknown_fields"])
        })?;
        Ok(found)
    }
}

impl OfMember {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut found = Self::default();
        each(attributes, |meta| {
            match () {
                () if meta.path.is_ident("rename") => found.rename = Some(meta.value()?.parse::<LitStr>()?.value()),
                () if meta.path.is_ident("flatten") => found.flatten = true,
                () if meta.path.is_ident("skip") => found.skipped = true,
                () if meta.path.is_ident("skip_serializing_if") => {
                    found.sometimes_omitted = true;
                    return ignore(&meta, &["skip_serializing_if"]);
                }
                () if meta.path.is_ident("with") || meta.path.is_ident("serialize_with") => {
                    found.own_form = true;
                    return ignore(&meta, &["with", "serialize_with"]);
                }
                () => return ignore(&meta, &["default", "alias", "other", "deserialize_with"]),
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn each(attributes: &[Attribute], mut read: impl FnMut(ParseNestedMeta<'_>) -> syn::Result<()>) -> syn::Result<()> {
    attributes
        .iter()
        .filter(|found| found.path().is_ident("serde"))
        .try_for_each(|found| found.parse_nested_meta(&mut read))
}

/// Steps over an attribute that does not change what a description says; any other one is refused.
fn ignore(meta: &ParseNestedMeta<'_>, harmless: &[&str]) -> syn::Result<()> {
    if !harmless.iter().any(|name| meta.path.is_ident(name)) {
        return Err(meta.error("the description of a type does not know this attribute of serde"));
    }
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    }
    Ok(())
}
