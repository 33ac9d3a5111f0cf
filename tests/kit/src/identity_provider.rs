//! An identity provider on this machine: an outside issuer of tokens.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use chrono::Utc;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::SigningKey;

/// The audience of tokens for coscribe.
const AUDIENCE: &str = "coscribe";

/// An identity provider. It ends with this value.
pub struct IdentityProvider {
    address: SocketAddr,
    shared: Rc<RefCell<Shared>>,
}

struct Shared {
    /// The keys that it publishes. The last one signs.
    keys: Vec<SigningKey>,
    is_up: bool,
    /// How often the keys were fetched.
    fetches: usize,
}

impl IdentityProvider {
    /// Starts a provider that signs with this key.
    pub async fn start(key: SigningKey) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Rc::new(RefCell::new(Shared { keys: vec![key], is_up: true, fetches: 0 }));
        let weak = Rc::downgrade(&shared);
        tokio::task::spawn_local(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Some(shared) = weak.upgrade() else { return };
                tokio::task::spawn_local(answer(socket, address, shared));
            }
        });
        Self { address, shared }
    }

    /// Its name, the `iss` claim of its tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        issuer(self.address)
    }

    /// The settings of a node that accepts its tokens, in a section with this name.
    #[must_use]
    pub fn settings(&self, section: &str) -> Vec<(String, String)> {
        let key = |member: &str| format!("COSCRIBE__AUTH__ISSUERS__{section}__{member}");
        vec![
            (key("ISSUER"), self.issuer()),
            (key("AUDIENCES"), AUDIENCE.to_owned()),
            (key("KEYS_RETRY"), "1s".to_owned()),
        ]
    }

    /// Publishes these keys only. The last one signs from now on.
    pub fn rotate(&self, keys: &[&SigningKey]) {
        self.shared.borrow_mut().keys = keys.iter().map(|key| (*key).clone()).collect();
    }

    /// Answers requests, or refuses them.
    pub fn set_up(&self, is_up: bool) {
        self.shared.borrow_mut().is_up = is_up;
    }

    /// How often the keys were asked for.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.shared.borrow().fetches
    }

    /// A token for the user with this subject, valid for ten minutes, except that some claims are changed or, with null,
    /// removed.
    #[must_use]
    pub fn token(&self, subject: &str, changes: Value) -> String {
        let claims = self.claims(subject, changes);
        self.shared.borrow().keys.last().unwrap().sign(&claims)
    }

    /// The claims of such a token.
    #[must_use]
    pub fn claims(&self, subject: &str, changes: Value) -> Value {
        let now = Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.issuer(),
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + 600,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }
}

fn issuer(address: SocketAddr) -> String {
    format!("http://{address}/realms/company")
}

/// Answers one request.
async fn answer(mut socket: TcpStream, address: SocketAddr, shared: Rc<RefCell<Shared>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut chunk = [0; 1024];
        match socket.read(&mut chunk).await {
            Ok(count) if count > 0 => head.extend_from_slice(&chunk[..count]),
            Ok(_) | Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let body = match path {
        _ if !shared.borrow().is_up => None,
        "/realms/company/.well-known/openid-configuration" => Some(json!({
            "issuer": issuer(address),
            "jwks_uri": format!("{}/keys", issuer(address)),
        })),
        "/realms/company/keys" => {
            shared.borrow_mut().fetches += 1;
            let keys: Vec<_> = shared.borrow().keys.iter().map(SigningKey::public).collect();
            Some(json!({ "keys": keys }))
        }
        _ => None,
    };
    let status = if body.is_some() { "200 OK" } else { "503 Service Unavailable" };
    let body = body.unwrap_or_default().to_string();
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    // A client that has gone needs no answer.
    drop(socket.write_all(reply.as_bytes()).await);
}
