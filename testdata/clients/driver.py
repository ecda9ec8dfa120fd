"""What a driver for Python does with a server: run by `make clients`, on a target directly and through the control port.

usage: driver.py pymysql|connector direct|port      The server is in $CLIENT_HOST, $CLIENT_PORT, $CLIENT_SOCKET,
                                                    the accounts `client` and `other` have the password $CLIENT_PASSWORD.
"""

import datetime
import decimal
import os
import sys
import tempfile
import time

DRIVER, THROUGH = sys.argv[1], sys.argv[2]
PASSWORD = os.environ["CLIENT_PASSWORD"]
PLACE = {"host": os.environ["CLIENT_HOST"], "port": int(os.environ["CLIENT_PORT"])}
SOCKET = {"unix_socket": os.environ["CLIENT_SOCKET"]}
LARGE = 20_000_000
DEADLINE = 60.0


class PyMySQL:
    def __init__(self):
        import pymysql

        self.error = pymysql.err.MySQLError

    def connect(self, place=PLACE, user="client", password=PASSWORD, **options):
        import pymysql
        from pymysql.constants import CLIENT

        return pymysql.connect(
            user=user,
            password=password,
            charset="utf8mb4",
            client_flag=CLIENT.MULTI_STATEMENTS,
            local_infile=True,
            max_allowed_packet=64 << 20,
            **place,
            **options,
        )

    def dictionaries(self, connection, sql):
        import pymysql

        with connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def one_by_one(self, connection, sql):
        import pymysql

        with connection.cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute(sql)
            yield from cursor

    def several(self, connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            results = [cursor.fetchall()]
            while cursor.nextset():
                results.append(cursor.fetchall())
            return results


class Connector:
    def __init__(self):
        import mysql.connector

        self.error = mysql.connector.Error

    def connect(self, place=PLACE, user="client", password=PASSWORD, **options):
        import mysql.connector

        return mysql.connector.connect(
            user=user,
            password=password,
            charset="utf8mb4",
            collation="utf8mb4_general_ci",
            allow_local_infile=True,
            use_pure=True,
            **place,
            **options,
        )

    def dictionaries(self, connection, sql):
        cursor = connection.cursor(dictionary=True)
        cursor.execute(sql)
        return cursor.fetchall()

    def one_by_one(self, connection, sql):
        cursor = connection.cursor(buffered=False)
        cursor.execute(sql)
        yield from cursor

    def several(self, connection, sql):
        cursor = connection.cursor()
        return [result.fetchall() for result in cursor.execute(sql, multi=True)]


def ask(connection, sql, values=None):
    cursor = connection.cursor()
    cursor.execute(sql, values)
    rows = cursor.fetchall() if cursor.description else []
    cursor.close()
    return [tuple(row) for row in rows]


def same(found, expected, what):
    if found != expected:
        raise SystemExit(f"{DRIVER} {THROUGH}: {what}: {str(found)[:500]} instead of {str(expected)[:500]}")


def refused(driver, code, do, what):
    try:
        do()
    except driver.error as error:
        same(error.args[0], code, what)
        return
    raise SystemExit(f"{DRIVER} {THROUGH}: {what}: not refused")


def logins(driver):
    for place in (PLACE, SOCKET):
        connection = driver.connect(place, database="d")
        same(ask(connection, "SELECT SUBSTRING_INDEX(CURRENT_USER(),'@',1), DATABASE()"), [("client", "d")], "login")
        connection.close()
    refused(driver, 1045, lambda: driver.connect(password="wrong"), "a wrong password")
    refused(driver, 1049, lambda: driver.connect(database="missing"), "a database that is not there")


def values(driver, connection):
    ask(
        connection,
        "CREATE OR REPLACE TABLE v (i BIGINT UNSIGNED PRIMARY KEY, d DECIMAL(20,4), t DATETIME(6), s VARCHAR(90), b LONGBLOB, n INT) ENGINE=InnoDB",
    )
    rows = [
        (
            2**64 - 1 - number,
            decimal.Decimal("-1234567890.1234") + number,
            datetime.datetime(2026, 1, 2, 3, 4, 5, 600 + number),
            f"žluťoučký '{number}' 🐎 \\ \"",
            bytes(range(256)) * (number % 7),
            None,
        )
        for number in range(1000)
    ]
    cursor = connection.cursor()
    cursor.executemany("INSERT INTO v VALUES (%s,%s,%s,%s,%s,%s)", rows)
    same(cursor.rowcount, 1000, "rows of executemany")
    connection.commit()
    same(ask(connection, "SELECT * FROM v ORDER BY i DESC"), rows, "values")
    same(ask(connection, "SELECT s FROM v WHERE i = %s", (2**64 - 8,)), [(rows[7][3],)], "a value for a place")
    refused(driver, 1064, lambda: ask(connection, "SELEKT 1"), "a wrong statement")
    refused(driver, 1062, lambda: ask(connection, "INSERT INTO v (i) VALUES (%s)", (2**64 - 1,)), "a second row")
    ask(connection, "DELETE FROM v")
    connection.rollback()
    same(ask(connection, "SELECT COUNT(*) FROM v"), [(1000,)], "rows after a rollback")
    # SQL's own prepared statements, of which the text only is a string.
    ask(connection, "PREPARE p FROM 'SELECT ? + 1'")
    ask(connection, "SET @a = 41")
    same(int(ask(connection, "EXECUTE p USING @a")[0][0]), 42, "EXECUTE")
    return rows


def prepared(connection, rows):
    cursor = connection.cursor(prepared=True)
    cursor.execute("SELECT i, d, t, s, b, n FROM v WHERE i > %s ORDER BY i DESC", (2**64 - 1 - 500,))
    found = [tuple(row[:4]) + (bytes(row[4]), row[5]) for row in cursor.fetchall()]
    same(found, rows[:500], "rows of a prepared statement")
    insert = connection.cursor(prepared=True)
    for number in range(100):
        insert.execute("INSERT INTO v (i, s, b) VALUES (%s, %s, %s)", (number, f"p{number}", bytes([number]) * 1000))
    connection.commit()
    same(ask(connection, "SELECT COUNT(*), SUM(LENGTH(b)) FROM v WHERE i < 100"), [(100, 100_000)], "prepared inserts")
    ask(connection, "DELETE FROM v WHERE i < 100")
    connection.commit()


def large(connection):
    ask(connection, "CREATE OR REPLACE TABLE large (id INT PRIMARY KEY, b LONGBLOB)")
    text = ("ž" * 9 + "0123456789") * (LARGE // 28)
    ask(connection, "INSERT INTO large VALUES (%s,%s)", (1, text))
    connection.commit()
    (back,) = ask(connection, "SELECT b FROM large")[0]
    same(len(back), len(text.encode()), "length of a large row")
    same(bytes(back).decode(), text, "a large row")


def files(connection):
    ask(connection, "CREATE OR REPLACE TABLE csv_lines (a INT PRIMARY KEY, b VARCHAR(20))")
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.writelines(f"{number},row {number}\n" for number in range(200_000))
        file.flush()
        ask(connection, f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE csv_lines FIELDS TERMINATED BY ','")
    connection.commit()
    same(ask(connection, "SELECT COUNT(*), MAX(b) FROM csv_lines"), [(200_000, "row 99999")], "LOCAL INFILE")


def streams(driver, connection):
    count = total = 0
    for row in driver.one_by_one(connection, "SELECT a, b, REPEAT('x', 100) FROM csv_lines ORDER BY a"):
        count, total = count + 1, total + row[0]
    same((count, total), (200_000, 199_999 * 100_000), "rows one by one")


def several(driver, connection):
    found = driver.several(connection, "SELECT 1; SELECT 'a;b'; SELECT 3 -- ;\n; SELECT 4")
    same([tuple(result[0])[0] for result in found], [1, "a;b", 3, 4], "several statements")
    refused(driver, 1146, lambda: driver.several(connection, "SELECT 1; SELECT * FROM missing; SELECT 3"), "the second of three")


def commands_of_connector(driver, connection):
    connection.ping()
    same(connection.cmd_statistics()["Uptime"] >= 0, True, "COM_STATISTICS")
    ask(connection, "SET @mine = 1")
    connection.cmd_change_user(
        username="other", password=PASSWORD, database="d", charset=45
    )
    same(ask(connection, "SELECT SUBSTRING_INDEX(CURRENT_USER(),'@',1), @mine"), [("other", None)], "COM_CHANGE_USER")
    connection.cmd_change_user(username="client", password=PASSWORD, database="d", charset=45)
    ask(connection, "SET @mine = 1")
    connection.cmd_reset_connection()
    same(ask(connection, "SELECT @mine, DATABASE()"), [(None, "d")], "COM_RESET_CONNECTION")
    connection.cmd_init_db("mysql")
    same(ask(connection, "SELECT DATABASE()"), [("mysql",)], "COM_INIT_DB")
    connection.cmd_init_db("d")
    if THROUGH == "port":
        # This driver compresses whether the server offers it or not.
        refused(driver, 1157, lambda: driver.connect(compress=True), "compression that nobody has offered")
        return
    squeezed = driver.connect(compress=True)
    same(ask(squeezed, "SHOW SESSION STATUS LIKE 'Compression'"), [("Compression", "ON")], "compression")
    squeezed.close()


def commands_of_pymysql(driver, connection):
    connection.ping(reconnect=False)
    connection.select_db("mysql")
    same(ask(connection, "SELECT DATABASE()"), [("mysql",)], "COM_INIT_DB")
    connection.select_db("d")
    other = driver.connect()
    connection.kill(other.thread_id())
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            ask(other, "SELECT 1")
        except driver.error:
            break
        same(time.monotonic() < deadline, True, "a killed connection ends")
        time.sleep(0.01)


def replication(driver, connection):
    def status():
        (row,) = driver.dictionaries(connection, "SHOW ALL SLAVES STATUS")
        return row

    def wait_for(field, value):
        deadline = time.monotonic() + DEADLINE
        while status()[field] != value:
            same(time.monotonic() < deadline, True, f"{field} becomes {value}")
            time.sleep(0.01)

    row = status()
    same((len(row), row["Connection_name"]), (62, "master1"), "SHOW ALL SLAVES STATUS")
    wait_for("Slave_IO_Running", "Yes")
    wait_for("Seconds_Behind_Master", 0)
    same(type(status()["Exec_Master_Log_Pos"]), int, "a number of the status")
    ask(connection, "STOP SLAVE 'master1'")
    same((status()["Slave_IO_Running"], status()["Slave_SQL_Running"]), ("No", "No"), "after STOP SLAVE")
    ask(connection, "STOP SLAVE 'master1'")
    same(ask(connection, "SHOW WARNINGS"), [("Note", 1255, "Slave already has been stopped")], "SHOW WARNINGS")
    same(ask(connection, "SELECT @@master1.replicate_do_db, 7"), [("", 7)], "a variable")
    refused(driver, 1617, lambda: ask(connection, "SHOW SLAVE 'nobody' STATUS"), "an unknown connection")
    refused(driver, 1064, lambda: ask(connection, "START SLAVE NOW"), "a wrong statement about replication")
    found = driver.several(connection, "SELECT 1; START SLAVE 'master1'; SHOW SLAVE 'master1' STATUS; SELECT 4")
    found = [result for result in found if result]
    same((len(found), found[0][0][0], len(found[1][0]), found[2][0][0]), (3, 1, 54, 4), "both kinds of statement in one text")
    wait_for("Slave_IO_Running", "Yes")
    if DRIVER == "connector":
        cursor = connection.cursor(prepared=True)
        refused(driver, 1295, lambda: cursor.execute("STOP SLAVE 'master1'"), "a prepared STOP SLAVE")
    same(status()["Slave_SQL_Running"], "Yes", "at the end")


def main():
    driver = {"pymysql": PyMySQL, "connector": Connector}[DRIVER]()
    logins(driver)
    connection = driver.connect(database="d", autocommit=False)
    rows = values(driver, connection)
    if DRIVER == "connector":
        prepared(connection, rows)
        commands_of_connector(driver, connection)
    else:
        commands_of_pymysql(driver, connection)
    large(connection)
    files(connection)
    streams(driver, connection)
    several(driver, connection)
    connection.commit()
    if THROUGH == "port":
        replication(driver, connection)
    connection.close()
    print(f"{DRIVER} {THROUGH}: done")


main()
