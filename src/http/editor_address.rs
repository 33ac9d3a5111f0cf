//! What the address of a Yjs editor says: the document, and the options in its query.

use actix_web::web::Query;

use crate::domain::DocumentName;

/// The address of an editor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EditorAddress {
    /// The id or the key of the document that the editor opens.
    pub(super) document: DocumentName,
    /// Whether the editor requests save acknowledgements.
    pub(super) saved: bool,
    /// The client id of the editor's Yjs document, with which it comes back after its connection is lost.
    pub(super) client: Option<u64>,
}

impl EditorAddress {
    /// Parses the last part of the path and the query. Ignores unknown parameters, the token and the ticket.
    ///
    /// # Errors
    /// Which part is wrong, and what to send instead.
    pub(super) fn parse(document: &str, query: &str) -> Result<Self, &'static str> {
        let document = document.parse().map_err(
            |_no_name| "The address does not name a document; connect to /sync/<documentId>",
        )?;
        let mut address = Self { document, saved: false, client: None };
        // Any text is a list of parameters.
        let parameters = Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|_error| "The query of the address cannot be parsed; encode its parameters")?;
        for (name, value) in parameters.into_inner() {
            match &*name {
                "saved" => {
                    let saved = value.parse();
                    address.saved = saved.map_err(|_error| "`saved` must be `true` or `false`")?;
                }
                "client" => {
                    let wrong = "`client` must be the clientID of the Yjs document, a whole number";
                    address.client = Some(value.parse().map_err(|_error| wrong)?);
                }
                _ => {}
            }
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DocumentId, DocumentKey};

    #[test]
    fn the_document_and_the_options_are_read() {
        let id = DocumentId::new();
        let parse = |query: &str| EditorAddress::parse(&id.to_string(), query);
        let document = DocumentName::Id(id);
        let plain = EditorAddress { document: document.clone(), saved: false, client: None };
        assert_eq!(parse(""), Ok(plain));
        let with_options = EditorAddress { document, saved: true, client: Some(7) };
        assert_eq!(parse("token=a%20b&saved=true&client=7&other&x=%"), Ok(with_options));
    }

    #[test]
    fn a_wrong_part_is_named() {
        let document = DocumentId::new().to_string();
        for (query, name) in [("saved=yes", "saved"), ("client=-1", "client"), ("client", "client")]
        {
            let wrong = EditorAddress::parse(&document, query).unwrap_err();
            assert!(wrong.contains(name), "{wrong}");
        }
        assert!(EditorAddress::parse("a plan", "").unwrap_err().contains("/sync/<documentId>"));
        let by_key = EditorAddress::parse("wiki/1", "").unwrap().document;
        assert_eq!(by_key, DocumentName::Key(DocumentKey::new("wiki/1").unwrap()));
    }
}
