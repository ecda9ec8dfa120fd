//! Starts one server in a temporary directory and keeps it until Ctrl-C: `tributary-sandbox-server [--name=value ...]`.
//!
//! For looking at a server's behaviour by hand. The arguments are options of `mariadbd`.

use tributary_sandbox::{Server, ServerOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = ServerOptions::source(1);
    options.args.extend(std::env::args().skip(1));
    let server = Server::start(options).await?;
    println!("process {}", server.pid());
    println!("data {}", server.data_dir().display());
    println!(
        "connect with: mariadb -uroot --socket={}",
        server.socket().display()
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}
