//! What the content of a root type is.

use async_graphql::Enum;

use crate::editing::BodyKind;

/// What a root type is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "BodyKind", remote = "BodyKind")]
pub(in crate::graphql) enum BodyKindType {
    /// A text with formats and embedded objects (`Y.Text`), as Quill has it: a list of steps, or an object with `ops`.
    Text,
    /// A tree of XML (`Y.XmlFragment`), as ProseMirror has it: a node of the type `doc`, or a list of nodes.
    Xml,
    /// A map (`Y.Map`): an object.
    Map,
    /// A list (`Y.Array`): a list.
    List,
}
