//! What a request costs its sender, before anything else is done for it.
//!
//! A request with a valid token counts for its user, every other one for the address of its client. The signature of one of our
//! own tokens is checked before that, since it takes no longer than a refusal; the account is looked up after it. Those of
//! outside issuers take longer. So a request with a token that was not verified a moment ago counts for the address as well.
//!
//! A refusal costs about as much as a small answer. So it waits for a moment: a client that ignores refusals gets only a few
//! of them on each connection.

use std::{net::IpAddr, time::Duration};

use actix_web::{HttpMessage as _, HttpRequest};

use super::{HttpError, HttpState, credentials, request_span};
use crate::{
    connection::ConnectionHandle,
    domain::{DocumentId, DocumentName, Network, Party, UserId},
    graphql::Caller,
    session::{Execute as _, Identified, IdentityError, Throttled, cost_of_operation},
};

/// How long a request above a rate limit waits for its refusal, and a health check for its answer.
const REFUSAL_PAUSE: Duration = Duration::from_millis(200);

/// The bytes of an answer that cost as much as a request.
const COST_BYTES: usize = 64 * 1024;

/// Marks a request whose caller has shown a valid token.
pub(super) struct KnownCaller;

/// Marks a request that was counted.
struct CountedRequest;

/// Returns the cost of a small answer, and of as many more bytes.
pub(super) fn cost_of(bytes: usize) -> u32 {
    u32::try_from(bytes / COST_BYTES).unwrap_or(u32::MAX).saturating_add(1)
}

/// Identifies the caller of a request and counts the request.
///
/// # Errors
/// The caller exceeds a rate limit; the token is not valid; the session that the request names is not open or belongs to
/// another user; one of them cannot be looked up.
pub(super) async fn admit(request: &HttpRequest, state: &HttpState) -> Result<Caller, HttpError> {
    let Some(token) = credentials::bearer_token(request)? else {
        charge_address(request, state, 1).await?;
        return Ok(Caller::Nobody(network_of(request, state)));
    };
    let Identified { user, sign_in, .. } = authenticate(request, state, token).await?;
    let session = credentials::find_session_owner(request, state, user.id).await?;
    Ok(Caller::Request { user, sign_in, session, network: network_of(request, state) })
}

/// Returns the user of a token and counts the request for them.
///
/// # Errors
/// The token is not valid, the user or the address exceeds a rate limit, or the account cannot be looked up.
pub(super) async fn authenticate(
    request: &HttpRequest,
    state: &HttpState,
    token: &str,
) -> Result<Identified, HttpError> {
    let claims = match state.identity.verify_quickly(token) {
        Some(verified) => verified,
        None => {
            charge_address(request, state, 1).await?;
            state.identity.verify(token).await
        }
    };
    let claims = claims.map_err(IdentityError::Token)?;
    let user = state.identity.user_of(&claims).await?;
    count_for(request, state, user).await?;
    let identified = state.identity.account_of(user, &claims).await?;
    note_known(request, identified.user.id);
    Ok(identified)
}

/// Redeems the ticket of an editor for a document, which it returns, and counts the request for its user. The signature is checked
/// before that.
///
/// # Errors
/// The ticket is not valid or was used before, the user exceeds a rate limit, or the account may not be used or cannot be looked
/// up.
pub(super) async fn redeem(
    request: &HttpRequest,
    state: &HttpState,
    ticket: &str,
    document: &DocumentName,
) -> Result<(Identified, DocumentId), HttpError> {
    let (document, is_counted) = match document {
        DocumentName::Id(document) => (*document, false),
        // Only for those who have a ticket is a key looked up, and only after it counts.
        DocumentName::Key(_) => match state.identity.issued_to(ticket) {
            Some(user) => {
                count_for(request, state, user).await?;
                (state.identity.find_document(document, Party::User(user)).await?, true)
            }
            None => (DocumentId::NONE, false),
        },
    };
    let ticket = state.identity.open_ticket(ticket, document).map_err(IdentityError::Ticket)?;
    if !is_counted {
        count_for(request, state, ticket.user).await?;
    }
    let identified = state.identity.redeem(&ticket).await?;
    note_known(request, identified.user.id);
    Ok((identified, document))
}

/// Counts a request for a user.
async fn count_for(
    request: &HttpRequest,
    state: &HttpState,
    user: UserId,
) -> Result<(), HttpError> {
    request.extensions_mut().insert(CountedRequest);
    pause_if_refused(state.throttle.take(&user)).await
}

/// Counts what an operation costs more than the request that was admitted: `bytes` of a body or query string, with this text.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn charge_operation(
    state: &HttpState,
    caller: &Caller,
    bytes: usize,
    text: &str,
) -> Result<(), HttpError> {
    let cost = cost_of_operation(bytes, state.engine.bytes_to_parse(text));
    pause_if_refused(match caller {
        Caller::Nobody(None) => Ok(()),
        Caller::Nobody(Some(network)) => state.anonymous_throttle.take_rest(network, cost),
        Caller::Request { user, .. } => state.throttle.take_rest(&user.id, cost),
        Caller::Session(link) => state.throttle.take_rest(&link.user().id, cost),
    })
    .await
}

/// Counts a request without a valid token for the address of its client.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn charge_address(
    request: &HttpRequest,
    state: &HttpState,
    cost: u32,
) -> Result<(), HttpError> {
    let Some(network) = network_of(request, state) else { return Ok(()) };
    request.extensions_mut().insert(CountedRequest);
    pause_if_refused(state.anonymous_throttle.take_many(&network, cost)).await
}

/// Lets the upgrades of clients without a token take turns, when many come from one address.
///
/// # Errors
/// [`HttpError::Throttled`]: it would take too long.
pub(super) async fn await_upgrade(
    request: &HttpRequest,
    state: &HttpState,
) -> Result<(), HttpError> {
    let Some(network) = network_of(request, state) else { return Ok(()) };
    request.extensions_mut().insert(CountedRequest);
    Ok(state.upgrade_throttle.take(&network).await?)
}

/// Delays a health check whose address sends too many.
///
/// It is not refused: a stranger whose requests come from the same address, for example through a gateway, could otherwise
/// have the node restarted.
pub(super) async fn pace_check(request: &HttpRequest, state: &HttpState) {
    let taken = take_check(request, state);
    if taken.is_err() {
        tokio::time::sleep(REFUSAL_PAUSE).await;
    }
}

/// Counts a request for the metrics, together with the health checks of its address.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn charge_metrics(
    request: &HttpRequest,
    state: &HttpState,
) -> Result<(), HttpError> {
    pause_if_refused(take_check(request, state)).await
}

/// Counts a health check or a request for the metrics, unless a trusted proxy sends it for itself.
fn take_check(request: &HttpRequest, state: &HttpState) -> Result<(), Throttled> {
    match client_of(request, state) {
        Some(client) if !state.proxies.include(client) => {
            state.check_throttle.take(&Network::of(client))
        }
        Some(_) | None => Ok(()),
    }
}

/// Counts a request that is refused because of `error`, unless it was counted before. Returns the error, or that the address
/// exceeds its limit.
pub(super) async fn refused(
    request: &HttpRequest,
    state: &HttpState,
    error: HttpError,
) -> HttpError {
    if request.extensions().contains::<CountedRequest>() {
        return error;
    }
    charge_address(request, state, 1).await.err().unwrap_or(error)
}

/// Returns the network of the client, as far as it is known.
pub(super) fn network_of(request: &HttpRequest, state: &HttpState) -> Option<Network> {
    client_of(request, state).map(Network::of)
}

fn client_of(request: &HttpRequest, state: &HttpState) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    Some(state.proxies.client_of(peer, request.headers()))
}

async fn pause_if_refused(taken: Result<(), Throttled>) -> Result<(), HttpError> {
    if taken.is_err() {
        tokio::time::sleep(REFUSAL_PAUSE).await;
    }
    Ok(taken?)
}

fn note_known(request: &HttpRequest, user: UserId) {
    request_span::record_user(user);
    request.extensions_mut().insert(KnownCaller);
    if let Some(connection) = request.conn_data::<ConnectionHandle>() {
        connection.authenticate(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_answers_cost_more() {
        assert_eq!(
            (cost_of(0), cost_of(65_535), cost_of(65_536), cost_of(1_400_000)),
            (1, 1, 2, 22)
        );
    }
}
