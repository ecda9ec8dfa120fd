//! Packages of Oracle mode: `x.f()` calls a function of package `x`, where the default database has one, else of database `x`.

use bytes::Bytes;
use tributary_binlog::QueryEvent;
use tributary_sql::{self as sql, Dialect, SqlError, Statement};

use super::Preparer;

impl Preparer {
    /// Reads a statement, and settles what its calls name.
    pub(super) fn parse<'a>(
        &self,
        text: &'a [u8],
        dialect: &Dialect,
        query: &QueryEvent,
    ) -> Result<Statement<'a>, SqlError> {
        let mut statement = sql::parse(text, dialect)?;
        if statement.package.is_none() && !statement.may_call_packages() {
            return Ok(statement);
        }
        // What a routine, trigger or event calls is looked up where it lies.
        let home = statement
            .object_database()
            .map_or_else(|| query.db.clone(), |name| Bytes::copy_from_slice(name));
        let on_target = self.rewrite.target_name(&home);
        if let Some(package) = &statement.package {
            self.catalog.add_package(on_target, package);
        }
        // Packages of a database that is not replicated are not known.
        let is_known = self.filter.accepts_database(&home).accepted || home.is_empty();
        statement.settle_packages(&|name| {
            let has_package = self.catalog.has_package(on_target, name);
            has_package.filter(|_| is_known)
        });
        Ok(statement)
    }

    /// The logged call of a package's function, in words that can be run: the server logs it under a name that no server finds.
    pub(super) fn package_call(&self, query: &QueryEvent, dialect: &Dialect) -> Option<QueryEvent> {
        let call = sql::logged_call(&query.query, dialect)?;
        let database = self.rewrite.target_name(&call.database);
        let has_package = self.catalog.has_package(database, call.package()?);
        let text = call
            .of_package(&query.query)
            .filter(|_| has_package == Some(true))?;
        Some(QueryEvent {
            query: text.into(),
            ..query.clone()
        })
    }
}
