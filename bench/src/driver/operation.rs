//! The GraphQL operations of the load.

/// The text of an operation. It has no characters that JSON escapes, so messages are built without an encoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation(pub(crate) &'static str);

impl Operation {
    pub(crate) const ME: Self = Self("{me{id}}");
    pub(crate) const REGISTER: Self = Self(
        "mutation($e:String!,$n:String!,$p:String!){register(email:$e,name:$n,password:$p){token account{id}}}",
    );
    pub(crate) const CREATE: Self =
        Self("mutation($t:String!,$c:String!){createDocument(title:$t,content:$c){id}}");
    pub(crate) const GRANT: Self =
        Self("mutation($d:ID!,$u:ID!){grantAccess(documentId:$d,level:EDIT,userId:$u){level}}");
    pub(crate) const READ: Self = Self("query($d:ID!){document(id:$d){content version}}");
    pub(crate) const HEAD: Self = Self("query($d:ID!){document(id:$d){version}}");
    pub(crate) const HISTORY: Self = Self(
        "query($d:ID!,$a:String){documentHistory(documentId:$d,first:100,after:$a){nodes{fromVersion toVersion} pageInfo{hasNextPage endCursor}}}",
    );
    pub(crate) const CURSOR: Self = Self(
        "mutation($d:ID!,$l:Int!,$c:Int!){updateCursor(documentId:$d,cursor:{line:$l,column:$c})}",
    );
    pub(crate) const EDIT: Self = Self(
        "mutation($d:ID!,$b:Int!,$s:[DeltaOpInput!]!,$m:ID!){editDocument(documentId:$d,baseVersion:$b,delta:$s,mutationId:$m){version}}",
    );
    pub(crate) const RENAME: Self =
        Self("mutation($d:ID!,$t:String!){updateDocument(id:$d,title:$t){version}}");
    pub(crate) const CURSORS: Self =
        Self("subscription($d:ID!){cursorMoved(documentId:$d){cursor{line column}}}");
    pub(crate) const PRESENCE: Self =
        Self("subscription($d:ID!){presenceUpdated(documentId:$d){kind presence{sessionId}}}");
    pub(crate) const CHANGES: Self = Self(
        "subscription($d:ID!,$v:Int!){documentChanged(documentId:$d,since:$v){kind version delta{insert}}}",
    );
    pub(crate) const NEW_CHANGES: Self =
        Self("subscription($d:ID!){documentChanged(documentId:$d){kind version delta{insert}}}");
    pub(crate) const OPENED: Self =
        Self("subscription($d:ID!){documentChanged(documentId:$d,since:0){kind version content}}");

    /// Returns the message that starts the operation. `variables` is a JSON object.
    pub(crate) fn message(self, id: &str, variables: &str) -> String {
        format!(
            r#"{{"id":"{id}","type":"subscribe","payload":{{"query":"{}","variables":{variables}}}}}"#,
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_message_is_json() {
        let message = Operation::EDIT.message("7", r#"{"d":"x"}"#);
        let value: Value = serde_json::from_str(&message).unwrap();
        assert_eq!(value["id"], "7");
        assert_eq!(value["payload"]["query"], Operation::EDIT.0);
        assert_eq!(value["payload"]["variables"]["d"], "x");
    }
}
