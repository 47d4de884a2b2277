-- What the sample services expect to find in MariaDB.
CREATE TABLE stock (item INT PRIMARY KEY, quantity INT NOT NULL) ENGINE=InnoDB;
INSERT INTO stock SELECT seq, IF(seq % 20 = 0, 0, 1000000) FROM seq_1_to_400;
CREATE TABLE orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, item INT NOT NULL, quantity INT NOT NULL) ENGINE=InnoDB;
