//! The subprotocols that a client offers in its handshake (RFC 6455, section 4.1), and the token that may be among them.
//!
//! A browser does not let a page set headers of a WebSocket, but it lets the page offer subprotocols. So a client may offer its
//! token as `bearer.<token>` beside the subprotocol that it speaks. A token consists of base64url and dots, which a
//! subprotocol may have. The server selects the subprotocol that the client speaks, so no answer repeats a token.

/// The subprotocol of Yjs editors. They need not offer it unless they offer a token as well: a browser fails a handshake of
/// which no subprotocol is selected.
pub const EDITOR_SUBPROTOCOL: &str = "coscribe";

/// What precedes a token.
const TOKEN_PREFIX: &str = "bearer.";

/// Returns the subprotocols in the values of the headers that offer them, of which each may offer several (RFC 6455, section
/// 11.3.4).
pub fn offered<'a>(headers: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let offered = headers.into_iter().flat_map(|header| header.split(','));
    offered.map(str::trim).filter(|subprotocol| !subprotocol.is_empty())
}

/// Returns the token in a subprotocol, if it has one.
#[must_use]
pub fn token_in(subprotocol: &str) -> Option<&str> {
    subprotocol.strip_prefix(TOKEN_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_are_offered_in_one_header_or_in_several() {
        let headers = ["coscribe, bearer.a.b.c", "", " other ,,"];
        let found: Vec<_> = offered(headers).collect();
        assert_eq!(found, [EDITOR_SUBPROTOCOL, "bearer.a.b.c", "other"]);
        assert_eq!(offered([]).count(), 0);
    }

    #[test]
    fn a_token_follows_its_prefix() {
        assert_eq!(token_in("bearer.eyJ0.eyJz-_.x"), Some("eyJ0.eyJz-_.x"));
        assert_eq!(token_in("bearer."), Some(""));
        for other in ["coscribe", "bearer", "Bearer.a", "graphql-transport-ws", ""] {
            assert_eq!(token_in(other), None, "{other}");
        }
    }
}
