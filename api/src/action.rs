//! What can be done with a resource besides reading and changing it: `POST …?action=attach`.
//!
//! An action is a type, listed beside its resource by [`actions!`](crate::actions). The manager finds the handler by it
//! and describes it in `/v1/schemas`; whether it is offered now is one function, for the manager's `actions` as for the
//! dashboard's menu.

use serde::{Deserialize, Serialize};

use crate::describe::{Described, Shaped, Wire};

/// A resource with an address of its own.
pub trait Acted: Shaped + Sized + 'static {
    /// Everything that can be done with it.
    const ACTIONS: &'static [Offer<Self>];
}

/// One action.
pub trait Action {
    type On: Acted;
    /// The body; [`NoInput`] for none.
    type Input;
    /// The answer: a `Resource`, a `Collection`, or `()` for an empty one.
    type Output;
    const OFFER: Offer<Self::On>;

    /// Whether it makes sense in the present state.
    #[must_use]
    fn offered(on: &Self::On) -> bool {
        (Self::OFFER.offered)(on)
    }
}

/// The body of an action that takes none; whatever a client sends all the same is let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoInput {}

impl Described for NoInput {
    const WIRE: Wire = Wire::Nothing;
}

/// What is known of an action without its types.
#[derive(Debug)]
pub struct Offer<T> {
    /// As in the query: `diskUpdate`.
    pub name: &'static str,
    pub doc: &'static str,
    pub input: Wire,
    pub output: Wire,
    /// Names of the types in `/v1/schemas` where Longhorn's differ from what is sent.
    pub schema_input: Option<&'static str>,
    pub schema_output: Option<&'static str>,
    pub offered: fn(&T) -> bool,
    /// Longhorn describes actions that nobody can call.
    pub routed: bool,
    /// It changes nothing: users who may only look may do it.
    pub reads: bool,
}

impl<T> Offer<T> {
    #[must_use]
    pub const fn new<Input: Described, Output: Described>(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            input: Input::WIRE,
            output: Output::WIRE,
            schema_input: None,
            schema_output: None,
            offered: always,
            routed: true,
            reads: false,
        }
    }
}

/// The rule of actions that need no state.
pub const fn always<T>(_: &T) -> bool {
    true
}

/// Lists the actions of a resource. In braces, fields of [`Offer`] that differ from what the types say:
/// ```text
/// actions! { Volume {
///     /// Takes a snapshot.
///     SnapshotCreate = "snapshotCreate"(SnapshotInput) -> Resource<Snapshot> { offered: is_attached };
///     UpdateReplicaCount = "updateReplicaCount"(UpdateReplicaCountInput) -> Resource<Volume> { schema_output: Some("") };
/// } }
/// ```
#[macro_export]
macro_rules! actions {
    ($on:ty { $(
        $(#[doc = $doc:literal])*
        $action:ident = $name:literal ($input:ty) -> $output:ty $({ $($key:ident : $value:expr),* $(,)? })?;
    )* }) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $action;

            impl $crate::action::Action for $action {
                type On = $on;
                type Input = $input;
                type Output = $output;
                const OFFER: $crate::action::Offer<$on> = $crate::action::Offer {
                    $($($key: $value,)*)?
                    ..$crate::action::Offer::new::<$input, $output>($name, concat!($($doc),*))
                };
            }
        )*

        impl $crate::action::Acted for $on {
            const ACTIONS: &'static [$crate::action::Offer<$on>] =
                &[$(<$action as $crate::action::Action>::OFFER),*];
        }
    };
}
