"""What the ledger holds."""


def amount(connection, number):
    with connection.cursor() as cursor:
        cursor.execute("SELECT amount FROM transfers WHERE id = %s", (number or 1,))
        found = cursor.fetchone()
        return found[0] if found else 0
