// What a driver for Node does with a server: run by `make clients`, on a target directly and through the control port.
//
// usage: driver.mjs mysql2|mariadb direct|port      The server is in $CLIENT_HOST, $CLIENT_PORT, $CLIENT_SOCKET,
//                                                   the accounts `client` and `other` have the password $CLIENT_PASSWORD;
//                                                   the drivers are in $CLIENT_MODULES.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';

const [driver, through] = process.argv.slice(2);
const modules = createRequire(path.join(process.env.CLIENT_MODULES, 'package.json'));
const password = process.env.CLIENT_PASSWORD;
const tcp = { host: process.env.CLIENT_HOST, port: Number(process.env.CLIENT_PORT) };
const socket = { socketPath: process.env.CLIENT_SOCKET };
const LARGE = 20_000_000;
const DEADLINE_MS = 60_000;

// The drivers under one face: rows as objects, of several statements a list of results.
const drivers = {
  mysql2() {
    const mysql = modules('mysql2/promise');
    return {
      connect: (options) => mysql.createConnection(settings({ infileStreamFactory: (file) => fs.createReadStream(file), ...options })),
      query: async (connection, sql, values) => (await connection.query({ sql, values, infileStreamFactory: (file) => fs.createReadStream(file) }))[0],
      execute: async (connection, sql, values) => (await connection.execute(sql, values))[0],
      stream: (connection, sql) => connection.connection.query(sql).stream(),
      changeUser: (connection, user) => connection.changeUser({ user, password, database: 'd' }),
      pool: () => mysql.createPool({ ...settings({}), connectionLimit: 8 }),
      reset: null,
    };
  },
  mariadb() {
    const mariadb = modules('mariadb');
    return {
      connect: (options) => mariadb.createConnection(settings({ permitLocalInfile: true, ...options })),
      query: (connection, sql, values) => connection.query({ sql }, values),
      execute: (connection, sql, values) => connection.execute(sql, values),
      stream: (connection, sql) => connection.queryStream(sql),
      changeUser: (connection, user) => connection.changeUser({ user, password, database: 'd' }),
      pool: () => mariadb.createPool({ ...settings({}), connectionLimit: 8 }),
      reset: (connection) => connection.reset(),
    };
  },
};

function settings(options) {
  const place = options.socketPath ? {} : tcp;
  return { user: 'client', password, database: 'd', multipleStatements: true, ...place, ...options };
}

async function refused(number, promise, what) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.errno, number, `${what}: ${error.message}`);
    return true;
  });
}

async function logins(db) {
  for (const place of [tcp, socket]) {
    const connection = await db.connect(place);
    const [row] = await db.query(connection, "SELECT SUBSTRING_INDEX(CURRENT_USER(),'@',1) AS user, DATABASE() AS db");
    assert.deepEqual({ ...row }, { user: 'client', db: 'd' });
    await connection.end();
  }
  await refused(1045, db.connect({ password: 'wrong' }), 'a wrong password');
  await refused(1049, db.connect({ database: 'missing' }), 'a database that is not there');
}

async function prepared(db, connection) {
  await db.query(connection, 'CREATE OR REPLACE TABLE v (i INT PRIMARY KEY, d DOUBLE, t DATETIME, s VARCHAR(90), b BLOB, n INT) ENGINE=InnoDB');
  const time = new Date(2026, 0, 2, 3, 4, 5);
  const row = (i) => ({ i, d: i / 4, t: time, s: `žluťoučký '${i}' 🐎`, b: Buffer.alloc(i % 50, i), n: null });
  for (let i = 0; i < 300; i += 1) {
    await db.execute(connection, 'INSERT INTO v VALUES (?,?,?,?,?,?)', Object.values(row(i)));
  }
  const found = await db.execute(connection, 'SELECT * FROM v WHERE i >= ? ORDER BY i', [100]);
  assert.equal(found.length, 200);
  found.forEach((one, index) => assert.deepEqual({ ...one }, row(100 + index)));
  const texts = await db.query(connection, 'SELECT * FROM v WHERE i < ? ORDER BY i', [100]);
  texts.forEach((one, index) => assert.deepEqual({ ...one }, row(index)));
  await refused(1062, db.execute(connection, 'INSERT INTO v (i) VALUES (?)', [7]), 'a second row');
  await refused(1064, db.execute(connection, 'SELEKT ?', [7]), 'a wrong statement');
  if (connection.batch) {
    // In one command for all rows, and the next before the answer to the last.
    await connection.batch('INSERT INTO v (i, s) VALUES (?, ?)', Array.from({ length: 5000 }, (_, i) => [1000 + i, `b${i}`]));
    const [count] = await db.query(connection, 'SELECT COUNT(*) AS count FROM v WHERE i >= 1000');
    assert.equal(Number(count.count), 5000);
  }
  // Commands that do not wait for each other's answers on the driver's side.
  const many = await Promise.all(Array.from({ length: 200 }, (_, i) => db.query(connection, `SELECT ${i} AS i`)));
  assert.deepEqual(many.map(([one]) => Number(one.i)), Array.from({ length: 200 }, (_, i) => i));
}

async function transactions(db, connection) {
  await connection.beginTransaction();
  await db.query(connection, 'DELETE FROM v');
  await connection.rollback();
  const [kept] = await db.query(connection, 'SELECT COUNT(*) > 0 AS kept FROM v');
  assert.equal(Number(kept.kept), 1);
  await connection.ping();
}

async function large(db, connection) {
  await db.query(connection, 'CREATE OR REPLACE TABLE large (id INT PRIMARY KEY, b LONGBLOB)');
  const bytes = Buffer.alloc(LARGE, 'žluť 0123456789');
  await db.query(connection, 'INSERT INTO large VALUES (?,?)', [1, bytes]);
  await db.execute(connection, 'INSERT INTO large VALUES (?,?)', [2, bytes]);
  for (const read of [db.query, db.execute]) {
    const rows = await read(connection, 'SELECT b FROM large ORDER BY id');
    assert.equal(rows.length, 2);
    rows.forEach((row) => assert.ok(bytes.equals(row.b), 'a large row'));
  }
}

async function files(db, connection) {
  await db.query(connection, 'CREATE OR REPLACE TABLE csv_lines (a INT PRIMARY KEY, b VARCHAR(20))');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'driver-'));
  const file = path.join(folder, 'lines.csv');
  try {
    fs.writeFileSync(file, Array.from({ length: 200_000 }, (_, i) => `${i},row ${i}\n`).join(''));
    await db.query(connection, `LOAD DATA LOCAL INFILE '${file}' INTO TABLE csv_lines FIELDS TERMINATED BY ','`);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
  const [row] = await db.query(connection, 'SELECT COUNT(*) AS count, MAX(b) AS last FROM csv_lines');
  assert.deepEqual([Number(row.count), row.last], [200_000, 'row 99999']);
  let [count, total] = [0, 0];
  for await (const one of db.stream(connection, "SELECT a, REPEAT('x', 100) AS x FROM csv_lines")) {
    count += 1;
    total += one.a;
  }
  assert.deepEqual([count, total], [200_000, 199_999 * 100_000]);
}

async function several(db, connection) {
  const found = await db.query(connection, "SELECT 1 AS a; SELECT 'a;b' AS a; SELECT 3 AS a -- ;\n; SELECT 4 AS a");
  assert.deepEqual(found.map(([row]) => row.a).map(String), ['1', 'a;b', '3', '4']);
  await refused(1146, db.query(connection, 'SELECT 1; SELECT * FROM missing; SELECT 3'), 'the second of three');
}

async function users(db, connection) {
  const user = async () => (await db.query(connection, "SELECT SUBSTRING_INDEX(CURRENT_USER(),'@',1) AS user, @mine AS mine"))[0];
  await db.query(connection, 'SET @mine = 1');
  await db.changeUser(connection, 'other');
  assert.deepEqual({ ...(await user()) }, { user: 'other', mine: null });
  await db.changeUser(connection, 'client');
  if (db.reset) {
    await db.query(connection, 'SET @mine = 1');
    await db.reset(connection);
    assert.equal((await user()).mine, null);
  }
}

async function compression(db) {
  const connection = await db.connect({ compress: true });
  const [state] = await db.query(connection, "SHOW SESSION STATUS LIKE 'Compression'");
  assert.equal(state.Value, through === 'direct' ? 'ON' : 'OFF');
  const [row] = await db.query(connection, "SELECT REPEAT('x', 3000000) AS x");
  assert.equal(row.x.length, 3_000_000);
  await connection.end();
}

async function crowd(db) {
  const pool = db.pool();
  const sums = Array.from({ length: 2000 }, async (_, i) => {
    const answer = await pool.query(`SELECT ${i} + 1 AS sum`);
    return Number((Array.isArray(answer[0]) ? answer[0] : answer)[0].sum);
  });
  assert.deepEqual(await Promise.all(sums), Array.from({ length: 2000 }, (_, i) => i + 1));
  await pool.end();
}

async function replication(db, connection) {
  const status = async () => {
    const rows = await db.query(connection, 'SHOW ALL SLAVES STATUS');
    assert.equal(rows.length, 1);
    return rows[0];
  };
  const waitFor = async (field, value) => {
    const deadline = Date.now() + DEADLINE_MS;
    while (String((await status())[field]) !== value) {
      assert.ok(Date.now() < deadline, `${field} becomes ${value}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  assert.equal(Object.keys(await status()).length, 62);
  assert.equal((await status()).Connection_name, 'master1');
  await waitFor('Slave_IO_Running', 'Yes');
  await waitFor('Seconds_Behind_Master', '0');
  await db.query(connection, "STOP SLAVE 'master1'");
  assert.equal((await status()).Slave_SQL_Running, 'No');
  await db.query(connection, "STOP SLAVE 'master1'");
  const [note] = await db.query(connection, 'SHOW WARNINGS');
  assert.deepEqual([note.Level, Number(note.Code)], ['Note', 1255]);
  await refused(1617, db.query(connection, "SHOW SLAVE 'nobody' STATUS"), 'an unknown connection');
  await refused(1295, db.execute(connection, "START SLAVE 'master1'"), 'a prepared START SLAVE');
  const found = await db.query(connection, "SELECT 1 AS a; START SLAVE 'master1'; SHOW SLAVE 'master1' STATUS; SELECT 4 AS a");
  assert.deepEqual([found.length, Object.keys(found[2][0]).length, Number(found[3][0].a)], [4, 54, 4]);
  await waitFor('Slave_IO_Running', 'Yes');
  assert.equal((await status()).Slave_SQL_Running, 'Yes');
}

const db = drivers[driver]();
await logins(db);
const connection = await db.connect({});
await prepared(db, connection);
await transactions(db, connection);
await large(db, connection);
await files(db, connection);
await several(db, connection);
await users(db, connection);
await compression(db);
await crowd(db);
if (through === 'port') {
  await replication(db, connection);
}
await connection.end();
console.log(`${driver} ${through}: done`);
