//! An application that is asked which level a user has on a document.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
};

use coscribe::domain::{DocumentId, UserId};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The bearer token of its questions.
const SECRET: &str = "the secret of the questions";

/// A question that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedQuestion {
    /// The `document` of the question.
    pub document: String,
    /// The `user` of the question.
    pub user: Value,
}

/// The application. It ends with this value.
pub struct Questioned {
    address: SocketAddr,
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    levels: RefCell<HashMap<(String, String), &'static str>>,
    asked: RefCell<Vec<AskedQuestion>>,
    /// The life of its answers, in seconds.
    life: Cell<u64>,
    is_down: Cell<bool>,
}

impl Questioned {
    /// Starts an application that lets nobody in, with answers that are valid for `life` seconds.
    pub async fn start(life: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Rc::new(Shared::default());
        shared.life.set(life);
        let weak = Rc::downgrade(&shared);
        tokio::task::spawn_local(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Some(shared) = weak.upgrade() else { return };
                tokio::task::spawn_local(answer(socket, shared));
            }
        });
        Self { address, shared }
    }

    /// The settings of a node that asks it.
    #[must_use]
    pub fn settings(&self) -> [(String, String); 2] {
        [
            ("COSCRIBE__AUTH__ASK".to_owned(), format!("http://{}/ask", self.address)),
            ("COSCRIBE__AUTH__ASK_SECRET".to_owned(), SECRET.to_owned()),
        ]
    }

    /// Answers with this level from now on, or with null.
    pub fn decide(&self, user: UserId, document: DocumentId, level: Option<&'static str>) {
        let pair = (user.to_string(), document.to_string());
        let mut levels = self.shared.levels.borrow_mut();
        match level {
            Some(level) => levels.insert(pair, level),
            None => levels.remove(&pair),
        };
    }

    /// Answers questions, or refuses them.
    pub fn set_down(&self, is_down: bool) {
        self.shared.is_down.set(is_down);
    }

    /// The questions that were asked, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<AskedQuestion> {
        self.shared.asked.borrow().clone()
    }
}

/// Answers one request.
async fn answer(mut socket: TcpStream, shared: Rc<Shared>) {
    let mut bytes = Vec::new();
    let body = loop {
        let mut chunk = [0; 1024];
        match socket.read(&mut chunk).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            Ok(_) | Err(_) => return,
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.contains(&format!("Bearer {SECRET}")), "{head}");
        if let Ok(body) = serde_json::from_str::<Value>(body) {
            break body;
        }
    };
    let (document, user) = (body["document"].as_str().unwrap().to_owned(), body["user"].clone());
    let pair = (user["id"].as_str().unwrap().to_owned(), document.clone());
    shared.asked.borrow_mut().push(AskedQuestion { document, user });
    let level = shared.levels.borrow().get(&pair).copied();
    let status = if shared.is_down.get() { "503 Service Unavailable" } else { "200 OK" };
    let body = json!({ "level": level, "seconds": shared.life.get() }).to_string();
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    // A client that has gone needs no answer.
    drop(socket.write_all(reply.as_bytes()).await);
}
