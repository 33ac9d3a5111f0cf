//! A pgbouncer of one test, in front of a database.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, process::Stdio};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{free_port, postgres_server::is_root, within};

/// Where Debian puts the program.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A running `pgbouncer`. Dropping the value kills it.
pub struct PgBouncer {
    _child: Child,
    _folder: TempDir,
    url: String,
}

impl PgBouncer {
    /// Starts a pgbouncer in front of the database at this URL. `mode` is `session` or `transaction`.
    pub async fn start(database: &str, mode: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let (login, address) = database.trim_start_matches("postgres://").split_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (server, name) = address.split_once('/').unwrap();
        let (host, server_port) = server.split_once(':').unwrap_or((server, "5432"));
        let password_of_server =
            if password.is_empty() { String::new() } else { format!(" password={password}") };
        let configuration = format!(
            "[databases]\napp = host={host} port={server_port} dbname={name} user={user}{password_of_server}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n\
             pool_mode = {mode}\ndefault_pool_size = 50\nunix_socket_dir =\n"
        );
        // pgbouncer refuses to run as root, and its user must be able to read the file.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new(if is_root() { "setpriv" } else { PROGRAM });
        if is_root() {
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", PROGRAM]);
        }
        command
            .arg("-q")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().unwrap();
        let listens = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        within("the start of pgbouncer", listens).await;
        let url = format!("postgres://{user}@127.0.0.1:{port}/app");
        Self { _child: child, _folder: folder, url }
    }

    /// The URL of the database through the pooler.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
