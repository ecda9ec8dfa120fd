#!/bin/bash
# ─────────────────────────────────────────────────────────
# MariaDB Multi-Source Replication Health Monitor
# Checks all named replication connections and logs alerts
# ─────────────────────────────────────────────────────────

# Configuration
CONNECTIONS=("master1" "master2" "master3")
ALERT_LAG=60          # seconds behind master before alerting
LOG_FILE="/var/log/replication_alerts.log"
ERRORS=0

for CONN in "${CONNECTIONS[@]}"; do
    STATUS=$(mariadb -e "SHOW SLAVE '$CONN' STATUS\G" 2>/dev/null)

    if [ -z "$STATUS" ]; then
        continue  # Connection not configured yet
    fi

    IO=$(echo "$STATUS" | grep 'Slave_IO_Running:' | awk '{print $2}')
    SQL=$(echo "$STATUS" | grep 'Slave_SQL_Running:' | awk '{print $2}')
    LAG=$(echo "$STATUS" | grep 'Seconds_Behind_Master:' | awk '{print $2}')
    ERR=$(echo "$STATUS" | grep 'Last_SQL_Error:' | sed 's/.*Last_SQL_Error: //')

    # Check IO and SQL threads
    if [ "$IO" != "Yes" ] || [ "$SQL" != "Yes" ]; then
        echo "$(date): REPLICATION BROKEN [$CONN] — IO=$IO SQL=$SQL Error: $ERR" \
            >> "$LOG_FILE"
        ERRORS=1
    fi

    # Check replication lag
    if [ "$LAG" != "NULL" ] && [ "$LAG" -gt "$ALERT_LAG" ] 2>/dev/null; then
        echo "$(date): REPLICATION LAG [$CONN] — ${LAG}s behind" \
            >> "$LOG_FILE"
    fi
done

if [ $ERRORS -eq 1 ]; then
    exit 1
fi
exit 0
