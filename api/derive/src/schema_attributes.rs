//! `#[schema(…)]`: what a description needs beyond what serde says.

use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Token};

/// Of a struct.
#[derive(Default)]
pub(crate) struct OfType {
    pub(crate) id: Option<String>,
}

/// Of a field.
#[derive(Default)]
pub(crate) struct OfField {
    /// Fields of `Flags`.
    pub(crate) flags: Vec<Ident>,
    pub(crate) default: Option<String>,
    pub(crate) schema_type: Option<String>,
    /// Variant of `Wire`, where the type does not tell.
    pub(crate) wire: Option<Ident>,
    pub(crate) options: Vec<String>,
}

const FLAGS: [&str; 6] = ["create", "update", "required", "unique", "nullable", "ours"];
const WIRES: [(&str, &str); 5] =
    [("text", "Text"), ("integer", "Integer"), ("float", "Float"), ("bool", "Bool"), ("any", "Any")];

impl OfType {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut found = Self::default();
        each(attributes, |meta| {
            if !meta.path.is_ident("id") {
                return Err(meta.error("a type takes schema(id = \"…\")"));
            }
            found.id = Some(text(&meta)?.value());
            Ok(())
        })?;
        Ok(found)
    }
}

impl OfField {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut found = Self::default();
        each(attributes, |meta| {
            match meta.path.get_ident().map(ToString::to_string).as_deref() {
                Some(flag) if FLAGS.contains(&flag) => found.flags.extend(meta.path.get_ident().cloned()),
                Some("default") => found.default = Some(text(&meta)?.value()),
                Some("as") => found.schema_type = Some(text(&meta)?.value()),
                Some("wire") => found.wire = Some(wire(&text(&meta)?)?),
                Some("options") => found.options = words(&meta)?,
                _ => return Err(meta.error("not one of the words that describe.rs explains")),
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// The text of a type's or field's documentation, in one line.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|found| found.path().is_ident("doc")).filter_map(|found| match &found.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn each(attributes: &[Attribute], mut read: impl FnMut(ParseNestedMeta<'_>) -> syn::Result<()>) -> syn::Result<()> {
    let mut ours = attributes.iter().filter(|found| found.path().is_ident("schema"));
    ours.try_for_each(|found| found.parse_nested_meta(&mut read))
}

fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    meta.value()?.parse()
}

fn wire(word: &LitStr) -> syn::Result<Ident> {
    let found = WIRES.iter().find(|(name, _)| *name == word.value());
    let (_, variant) = found.ok_or_else(|| syn::Error::new(word.span(), "text, integer, float, bool or any"))?;
    Ok(Ident::new(variant, word.span()))
}

fn words(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<String>> {
    let list;
    syn::parenthesized!(list in meta.input);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?.iter().map(LitStr::value).collect())
}
