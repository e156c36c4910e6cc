//! A noun: a type with its routes and the handlers of its actions.
//!
//! ```text
//! Noun::of::<Node>()
//!     .list(list::handle)
//!     .get(get::handle)
//!     .put::<NodeUpdate, _>(update::handle)
//!     .act::<DiskUpdate, _, _>(disk_update::handle)
//!     .done()
//! ```
//! Each verb adds a route at the address that the type's plural gives, and the method to what `/v1/schemas` tells.

use std::marker::PhantomData;
use std::sync::Arc;

use aurochs_api::action::{Acted, Action, Offer};
use aurochs_api::describe::{Described, Shape, Shaped, Wire};
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde::de::DeserializeOwned;

use super::access::{Access, Rule};
use super::action::{self, Answer, Handled, Target};
use crate::app::App;
use crate::error::ApiError;
use crate::feature::Feature;
use crate::view::envelope::plural;

/// A finished noun.
pub struct Noun {
    id: &'static str,
    shape: fn() -> &'static Shape,
    actions: Vec<ActionInfo>,
    handled: Vec<&'static str>,
    routes: Vec<Route>,
    companions: Vec<fn() -> &'static Shape>,
    stream: Option<&'static [&'static str]>,
}

/// What is told of an action.
#[derive(Clone, Copy, Debug)]
pub struct ActionInfo {
    pub name: &'static str,
    pub doc: &'static str,
    pub input: Wire,
    pub output: Wire,
    pub schema_input: Option<&'static str>,
    pub schema_output: Option<&'static str>,
    pub routed: bool,
    /// It changes nothing.
    pub reads: bool,
}

/// One method at one address.
pub struct Route {
    pub method: Method,
    /// Pattern of the address: `/v1/nodes/{name}`.
    pub path: String,
    /// What can stand behind the question mark, a parameter for each field.
    pub query: Option<&'static Shape>,
    /// What the body has to be; none when there is none, or when it is not JSON.
    pub input: Option<Wire>,
    pub output: Output,
    /// Whether Longhorn's `collectionMethods` and `resourceMethods` name it.
    pub advertised: bool,
    /// Who may; of the route that all actions share, for what is none of them.
    pub access: Access,
    pub handler: MethodRouter<App>,
}

/// What a route answers.
#[derive(Clone, Copy, Debug)]
pub enum Output {
    /// A thing of this type with its header.
    One(Wire),
    /// A collection of such things.
    Many(Wire),
    /// 200 without a body.
    Empty,
    /// What is not described: a file, a document of another form.
    Other,
}

impl Noun {
    /// Begins the noun of a type.
    #[must_use]
    pub fn of<T: Acted>() -> Builder<T> {
        let mut builder = Builder::new(T::shape);
        builder.actions = T::ACTIONS.iter().map(ActionInfo::of).collect();
        builder
    }

    /// Name of the type: `node`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// As it stands in URLs: `instancemanagers`.
    #[must_use]
    pub fn plural(&self) -> String {
        plural(self.id)
    }

    /// As Longhorn's links name the collection: `instanceManagers`.
    #[must_use]
    pub fn plural_name(&self) -> String {
        let ending = plural(self.id).len() - self.id.len();
        format!("{}{}", self.id, if ending == 2 { "es" } else { "s" })
    }

    /// Whether there is a list of them.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        let collection = collection_path(self.id);
        self.routes.iter().any(|route| route.method == Method::GET && route.path == collection)
    }

    #[must_use]
    pub fn shape(&self) -> &'static Shape {
        (self.shape)()
    }

    /// Types that no field and no action names, described beside this one.
    pub fn companions(&self) -> impl Iterator<Item = &'static Shape> {
        self.companions.iter().map(|shape| shape())
    }

    /// What changes the list of its WebSocket stream, see [`Builder::streamed`]; none without a stream.
    #[must_use]
    pub const fn stream(&self) -> Option<&'static [&'static str]> {
        self.stream
    }

    /// The handler of the list.
    #[must_use]
    pub fn list_handler(&self) -> Option<MethodRouter<App>> {
        let collection = collection_path(self.id);
        let list = self.routes.iter().find(|route| route.method == Method::GET && route.path == collection)?;
        Some(list.handler.clone())
    }

    #[must_use]
    pub fn actions(&self) -> &[ActionInfo] {
        &self.actions
    }

    /// Names of the actions that have a handler.
    #[must_use]
    pub fn handled_actions(&self) -> Vec<&'static str> {
        self.handled.clone()
    }

    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whether the route is the one that all actions share.
    #[must_use]
    pub fn is_dispatch(&self, route: &Route) -> bool {
        route.method == Method::POST && route.path == resource_path(self.id) && !self.handled.is_empty()
    }

    /// The route as the guard sees it.
    #[must_use]
    pub fn rule(&self, route: &Route) -> Rule {
        let access = |action: &ActionInfo| if action.reads { Access::Read } else { Access::Change };
        let actions = self.actions.iter().filter(|_| self.is_dispatch(route));
        let actions = actions.map(|action| (action.name, access(action))).collect();
        Rule { access: route.access, noun: self.id, actions }
    }

    /// `collectionMethods`: GET always, as Longhorn tells of every type.
    #[must_use]
    pub fn collection_methods(&self) -> Vec<&'static str> {
        self.methods(&collection_path(self.id))
    }

    /// `resourceMethods`: GET always.
    #[must_use]
    pub fn resource_methods(&self) -> Vec<&'static str> {
        self.methods(&resource_path(self.id))
    }

    fn methods(&self, path: &str) -> Vec<&'static str> {
        let has = |method: Method| {
            self.routes.iter().any(|route| route.advertised && route.path == path && route.method == method)
        };
        let order = [(Method::POST, "POST"), (Method::PUT, "PUT"), (Method::DELETE, "DELETE")];
        let more = order.into_iter().filter(|(method, _)| has(method.clone())).map(|(_, word)| word);
        std::iter::once("GET").chain(more).collect()
    }
}

impl ActionInfo {
    fn of<T>(offer: &Offer<T>) -> Self {
        Self {
            name: offer.name,
            doc: offer.doc,
            input: offer.input,
            output: offer.output,
            schema_input: offer.schema_input,
            schema_output: offer.schema_output,
            routed: offer.routed,
            reads: offer.reads,
        }
    }
}

fn collection_path(id: &str) -> String {
    format!("/v1/{}", plural(id))
}

fn resource_path(id: &str) -> String {
    format!("{}/{{name}}", collection_path(id))
}

// === building ===

/// A noun that is being put together.
pub struct Builder<T> {
    id: &'static str,
    shape: fn() -> &'static Shape,
    actions: Vec<ActionInfo>,
    handled: Vec<Handled>,
    routes: Vec<Route>,
    companions: Vec<fn() -> &'static Shape>,
    stream: Option<&'static [&'static str]>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Builder<T> {
    fn new(shape: fn() -> &'static Shape) -> Self {
        Self {
            id: shape().id,
            shape,
            actions: Vec::new(),
            handled: Vec::new(),
            routes: Vec::new(),
            companions: Vec::new(),
            stream: None,
            kind: PhantomData,
        }
    }

    /// `GET` of the collection.
    #[must_use]
    pub fn list<H: 'static>(self, handler: impl Handler<H, App>) -> Self {
        let output = self.many();
        self.add(Method::GET, "", None, output, true, on(MethodFilter::GET, handler))
    }

    /// The list that was added last depends on a query with the fields of `Asked`.
    #[must_use]
    pub fn asked<Asked: Shaped>(mut self) -> Self {
        if let Some(route) = self.routes.last_mut() {
            route.query = Some(Asked::shape());
            self.companions.push(Asked::shape);
        }
        self
    }

    /// `GET` of a collection that has another address than the type's plural gives.
    #[must_use]
    pub fn list_at<H: 'static>(mut self, path: &str, handler: impl Handler<H, App>) -> Self {
        let (output, handler) = (self.many(), on(MethodFilter::GET, handler));
        let (path, access) = (path.to_owned(), Access::Read);
        self.routes.push(Route {
            method: Method::GET,
            path,
            query: None,
            input: None,
            output,
            advertised: false,
            access,
            handler,
        });
        self
    }

    /// `GET` of an answer that depends on a query with the fields of `Asked`.
    #[must_use]
    pub fn ask_at<Asked: Shaped, H: 'static>(mut self, path: &str, handler: impl Handler<H, App>) -> Self {
        let (output, handler) = (self.one(), on(MethodFilter::GET, handler));
        let (method, path, query, access) = (Method::GET, path.to_owned(), Some(Asked::shape()), Access::Read);
        self.companions.push(Asked::shape);
        self.routes.push(Route { method, path, query, input: None, output, advertised: false, access, handler });
        self
    }

    /// `GET` of what is sent as it is, such as a file, at an address of its own.
    #[must_use]
    pub fn send_at<H: 'static>(mut self, path: &str, handler: impl Handler<H, App>) -> Self {
        let handler = on(MethodFilter::GET, handler);
        let (path, access) = (path.to_owned(), Access::Read);
        self.routes.push(Route {
            method: Method::GET,
            path,
            query: None,
            input: None,
            output: Output::Other,
            advertised: false,
            access,
            handler,
        });
        self
    }

    /// What was added last depends on a query with the fields of `Asked`.
    #[must_use]
    pub fn asking<Asked: Shaped>(mut self) -> Self {
        self.companions.push(Asked::shape);
        if let Some(route) = self.routes.last_mut() {
            route.query = Some(Asked::shape());
        }
        self
    }

    /// What was added last is for admins alone.
    #[must_use]
    pub fn for_admins(self) -> Self {
        self.needing(Access::Secret)
    }

    /// What was added last changes something, although it is a GET.
    #[must_use]
    pub fn that_changes(self) -> Self {
        self.needing(Access::Change)
    }

    fn needing(mut self, access: Access) -> Self {
        if let Some(route) = self.routes.last_mut() {
            route.access = access;
        }
        self
    }

    /// `POST` to the collection.
    #[must_use]
    pub fn create<Input: Described, H: 'static>(self, handler: impl Handler<H, App>) -> Self {
        let output = self.one();
        self.add(Method::POST, "", Some(Input::WIRE), output, true, on(MethodFilter::POST, handler))
    }

    /// `POST` to the collection that is served although Longhorn's `collectionMethods` don't name it.
    #[must_use]
    pub fn create_hidden<Input: Described, H: 'static>(self, handler: impl Handler<H, App>) -> Self {
        let output = self.one();
        self.add(Method::POST, "", Some(Input::WIRE), output, false, on(MethodFilter::POST, handler))
    }

    /// `PUT` of the collection, which Longhorn's `collectionMethods` never name.
    #[must_use]
    pub fn put_all<Input: Described, H: 'static>(self, handler: impl Handler<H, App>) -> Self {
        let output = self.many();
        self.add(Method::PUT, "", Some(Input::WIRE), output, false, on(MethodFilter::PUT, handler))
    }

    /// `GET` of one.
    #[must_use]
    pub fn get<H: 'static>(self, handler: impl Handler<H, App>) -> Self {
        self.get_at("/{name}", handler)
    }

    /// `GET` of one whose address has more in it than its name.
    #[must_use]
    pub fn get_at<H: 'static>(self, below: &str, handler: impl Handler<H, App>) -> Self {
        let output = self.one();
        self.add(Method::GET, below, None, output, true, on(MethodFilter::GET, handler))
    }

    /// `PUT` of one.
    #[must_use]
    pub fn put<Input: Described, H: 'static>(self, handler: impl Handler<H, App>) -> Self {
        let output = self.one();
        self.add(Method::PUT, "/{name}", Some(Input::WIRE), output, true, on(MethodFilter::PUT, handler))
    }

    /// `DELETE` of one.
    #[must_use]
    pub fn delete<H: 'static>(self, handler: impl Handler<H, App>) -> Self {
        self.add(Method::DELETE, "/{name}", None, Output::Empty, true, on(MethodFilter::DELETE, handler))
    }

    /// `DELETE` of one that is served although Longhorn's `resourceMethods` don't name it.
    #[must_use]
    pub fn delete_hidden<H: 'static>(self, handler: impl Handler<H, App>) -> Self {
        self.delete_hidden_at("/{name}", handler)
    }

    /// The same, of one whose address has more in it than its name.
    #[must_use]
    pub fn delete_hidden_at<H: 'static>(self, below: &str, handler: impl Handler<H, App>) -> Self {
        self.add(Method::DELETE, below, None, Output::Empty, false, on(MethodFilter::DELETE, handler))
    }

    /// Any other address below the collection's, such as `/{name}/download`.
    #[must_use]
    pub fn route<H: 'static>(self, method: Method, below: &str, handler: impl Handler<H, App>) -> Self {
        match MethodFilter::try_from(method.clone()) {
            Ok(filter) => self.add(method, below, None, Output::Other, false, on(filter, handler)),
            // Only CONNECT and methods that nobody has heard of have no filter; no client could send them here.
            Err(_) => self,
        }
    }

    /// The list can be followed at `/v1/ws/{period}/{plural}`. Objects of the kinds with these plurals change it.
    #[must_use]
    pub const fn streamed(mut self, sources: &'static [&'static str]) -> Self {
        self.stream = Some(sources);
        self
    }

    /// Describes a type in `/v1/schemas` that no field and no action names.
    #[must_use]
    pub fn with<Companion: Shaped>(mut self) -> Self {
        self.companions.push(Companion::shape);
        self
    }

    /// The noun, with one route for all of its actions.
    #[must_use]
    pub fn done(self) -> Noun {
        let handled = self.handled.iter().map(Handled::name).collect();
        let mut noun = Noun {
            id: self.id,
            shape: self.shape,
            actions: self.actions,
            handled,
            routes: self.routes,
            companions: self.companions,
            stream: self.stream,
        };
        if !self.handled.is_empty() {
            noun.routes.push(Route {
                method: Method::POST,
                path: resource_path(self.id),
                query: None,
                input: None,
                output: Output::Other,
                advertised: false,
                access: Access::Change,
                handler: action::dispatch(self.id, Arc::new(self.handled)),
            });
        }
        noun
    }

    fn one(&self) -> Output {
        Output::One(Wire::Named(self.shape))
    }

    fn many(&self) -> Output {
        Output::Many(Wire::Named(self.shape))
    }

    fn add(
        mut self,
        method: Method,
        below: &str,
        input: Option<Wire>,
        output: Output,
        advertised: bool,
        handler: MethodRouter<App>,
    ) -> Self {
        let path = format!("{}{below}", collection_path(self.id));
        let access = Access::of_method(&method);
        self.routes.push(Route { method, path, query: None, input, output, advertised, access, handler });
        self
    }
}

impl<T: Acted> Builder<T> {
    /// The handler of an action; its input and answer are those of the action.
    #[must_use]
    pub fn act<A, F, R>(mut self, handler: F) -> Self
    where
        A: Action<On = T>,
        A::Input: DeserializeOwned + Described + Send + 'static,
        A::Output: Answer,
        F: Fn(Target, A::Input) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A::Output, ApiError>> + Send + 'static,
    {
        self.handled.push(Handled::new(A::OFFER.name, handler));
        self
    }

    /// The handler of an action that reads its body itself, while it comes.
    #[must_use]
    pub fn act_streaming<A, F, R>(mut self, handler: F) -> Self
    where
        A: Action<On = T>,
        F: Fn(Target, Request) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ApiError>> + Send + 'static,
    {
        self.handled.push(Handled::streaming(A::OFFER.name, handler));
        self
    }

    /// An action that this version can't do yet: it is described, offered by its rule, and answers by name.
    #[must_use]
    pub fn act_later<A: Action<On = T>>(mut self, feature: Feature) -> Self {
        let (name, noun) = (A::OFFER.name, self.id);
        self.handled.push(Handled::later(name, noun, feature));
        self
    }
}
