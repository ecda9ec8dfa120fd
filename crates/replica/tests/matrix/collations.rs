//! Character sets named without a collation, and collations that only the source has.

use anyhow::ensure;
use tributary::Replicator;
use tributary_sandbox::{Server, ServerOptions};

use crate::support::{TARGET_DB, assert_equal, caught_up, options};
use crate::{mariadb_11_8, targets};

const TABLES: &str = "CREATE DATABASE asterisk CHARACTER SET utf8mb4; USE asterisk; \
    CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4, w VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin, \
      x TEXT COLLATE latin1_german1_ci) DEFAULT CHARSET=utf8mb4 COMMENT='CHARSET=utf8mb4'; \
    CREATE TABLE b (v VARCHAR(20) UNIQUE); \
    ALTER TABLE b ADD w VARCHAR(20) CHARSET utf8mb4 NOT NULL DEFAULT '', CONVERT TO CHARACTER SET utf8mb4; \
    SET @v = 'ä'; INSERT INTO b (v) VALUES (@v), ('b'); \
    CREATE DATABASE other CHARACTER SET latin1; CREATE TABLE other.t (a VARCHAR(9)); DROP DATABASE other";

/// Sources of both versions towards targets of both: the definitions agree, whatever each server would choose by itself.
#[tokio::test]
async fn a_character_set_alone_means_what_it_means_on_the_source() -> anyhow::Result<()> {
    let [old_target, new_target] = targets().await?;
    let new = ServerOptions::source(2).program(&mariadb_11_8());
    // What the same texts mean on a source is a matter of its setting, too.
    let chosen = ServerOptions::source(3)
        .program(&mariadb_11_8())
        .arg("--character-set-collations=utf8mb4=utf8mb4_unicode_nopad_ci,utf8mb3=utf8mb3_bin");
    for (source, database) in [
        (ServerOptions::source(1), "m1_asterisk"),
        (new, "m2_asterisk"),
        (chosen, "m3_asterisk"),
    ] {
        let source = Server::start(source).await?;
        source.run(TABLES).await?;
        for target in [&old_target, &new_target] {
            let mut options = options(&source, target);
            options.connections[0] =
                crate::support::connection(&database[..2], &source, &format!("asterisk->{database}"));
            options.connections[0]
                .rewrite
                .add(&format!("other->{database}_other"))?;
            let engine = Replicator::start(options).await?;
            caught_up(&engine, &database[..2], &source).await?;
            engine.stop().await;
            assert_equal(&source, target, database, &[]).await?;
            let text = format!("SHOW CREATE DATABASE {database}");
            let there = target.rows(&text).await?[0][1].clone().unwrap_or_default();
            let here = source.rows("SHOW CREATE DATABASE asterisk").await?[0][1]
                .clone()
                .unwrap_or_default();
            ensure!(
                there.replace(database, "asterisk") == here,
                "{there} instead of {here}"
            );
        }
    }
    Ok(())
}

/// MySQL's collations exist on 11.8 under their own names; 10.11 gets what stands for them.
#[tokio::test]
async fn collations_of_11_8_have_counterparts_on_10_11() -> anyhow::Result<()> {
    let [target, _] = targets().await?;
    let source = Server::start(ServerOptions::source(2).program(&mariadb_11_8())).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; SET collation_connection=utf8mb4_0900_ai_ci, collation_server=utf8mb4_0900_as_cs; \
             CREATE TABLE t (a VARCHAR(9) COLLATE utf8mb4_0900_bin, b VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_de_pb_0900_ai_ci); \
             INSERT INTO t VALUES ('a', 'ä' COLLATE utf8mb4_0900_ai_ci)",
        )
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    engine.stop().await;
    let columns = target
        .rows(&format!(
            "SELECT collation_name FROM information_schema.columns WHERE table_schema='{TARGET_DB}' ORDER BY column_name"
        ))
        .await?;
    let names: Vec<&str> = columns.iter().filter_map(|row| row[0].as_deref()).collect();
    ensure!(
        names == ["utf8mb4_nopad_bin", "utf8mb4_uca1400_german2_nopad_ai_ci"],
        "{names:?}"
    );
    ensure!(
        target
            .value(&format!("SELECT COUNT(*) FROM {TARGET_DB}.t WHERE b='ae'"))
            .await?
            == "1"
    );
    Ok(())
}
