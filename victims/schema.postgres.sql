-- What the sample services expect to find in PostgreSQL.
CREATE TABLE transfers (id int PRIMARY KEY, account int NOT NULL, amount int NOT NULL, note text NOT NULL);
INSERT INTO transfers SELECT n, n % 400 + 1, n % 700 - 200, 'transfer ' || n FROM generate_series(1, 4000) n;
CREATE INDEX ON transfers (account);

-- Accounts 0 to 19 have large invoices with long texts, 20 to 39 small ones.
CREATE TABLE invoices (id int PRIMARY KEY, account int NOT NULL, amount int NOT NULL, text text NOT NULL);
INSERT INTO invoices SELECT n, n % 40, CASE WHEN n % 40 < 20 THEN 150 ELSE 20 END, repeat('consulting and travel ', 8)
  FROM generate_series(1, 4000) n;
CREATE INDEX ON invoices (account);

CREATE TABLE offers (item int NOT NULL, price int NOT NULL, stock int NOT NULL, seller text NOT NULL);
INSERT INTO offers SELECT n % 200, 100 + n % 37, n % 9, 'seller ' || n || repeat(' gmbh', 20) FROM generate_series(1, 8000) n;
CREATE INDEX ON offers (item);

-- One tariff in ten carries a rate that an operator typed by hand.
CREATE TABLE tariffs (id int PRIMARY KEY, rate text NOT NULL);
INSERT INTO tariffs SELECT n, CASE WHEN n % 10 = 0 THEN 'n/a' ELSE (n % 90)::text || '.5' END FROM generate_series(1, 1000) n;

CREATE TABLE mails (id int PRIMARY KEY, recipient text NOT NULL, sent boolean NOT NULL DEFAULT false);
INSERT INTO mails SELECT n, 'customer' || n || '@shop.test' FROM generate_series(1, 1000) n;
