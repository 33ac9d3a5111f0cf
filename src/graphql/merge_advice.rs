//! What a program does whose Yjs update was not merged.

use crate::editing::MergeError;

/// Returns a message that says why an update was not merged, and what to do.
pub(super) fn merge_advice(error: &MergeError) -> String {
    match error {
        MergeError::MissingDependencies => "The update depends on changes that the document does not have. Send one that has \
             everything, such as `Y.encodeStateAsUpdate(doc)`."
            .to_owned(),
        MergeError::Malformed(what) => format!(
            "The update cannot be merged: {what}. Send a Yjs v1 update, such as `Y.encodeStateAsUpdate(doc)` returns."
        ),
        MergeError::Unrelated => "The update belongs to another history of the document. Load the document with the field \
             `update` of `exportDocument`, and make the change there, with a client id of at most 4294967295."
            .to_owned(),
        MergeError::TooManyStructs { limit } => {
            format!("The update has more than {limit} structs. Send smaller updates.")
        }
        MergeError::TooManyDeletions { limit } => {
            format!("The update has more than {limit} deleted ranges. Write to a new document.")
        }
        MergeError::DocumentTooManyStructs { limit } => format!(
            "The document has {limit} structs, the most that it may have. Write to a new document, or ask the operator of the \
             server to compact this one."
        ),
        MergeError::TooManyConflicts => "The update inserts at places where too many others have inserted without seeing each \
             other. Load the document with the field `update` of `exportDocument`, and make the change there."
            .to_owned(),
        MergeError::TooManyClients { limit } => format!(
            "The document has changes of {limit} Yjs clients, the most that it may have. Write to a new document."
        ),
        MergeError::TooManyFormats { limit } => format!(
            "The document has too many formats: the different names of formats in a text times the formatted places in it are more \
             than {limit}. Use one name with several values, or remove formats."
        ),
        MergeError::TooLarge { size, limit } => format!(
            "The document would have {size} bytes; a document holds at most {limit}. Write to several documents."
        ),
        MergeError::NotText => {
            "The root type \"content\" holds text. Use another name for other types.".to_owned()
        }
        MergeError::ServerRoot => {
            "Only the server writes the root type \"coscribe\". Use another name.".to_owned()
        }
    }
}
