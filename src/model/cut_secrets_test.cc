#include "model/cut_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace unclosed {
namespace {

using Command = std::vector<std::string>;
using testing::ElementsAreArray;

std::string cut(const std::string& argument) { return cut_secrets({"app", argument}).at(1); }

TEST(CutSecrets, a_password_in_a_url_is_cut_and_the_rest_stays) {
  EXPECT_EQ(cut("postgres://user:pw@host/db"), "postgres://user:***@host/db");
  EXPECT_EQ(cut("--dsn=postgres://user:pw@host:5432/db?sslmode=disable"),
            "--dsn=postgres://user:***@host:5432/db?sslmode=disable");
  EXPECT_EQ(cut("redis://:pw@host:6379/0"), "redis://:***@host:6379/0");
  EXPECT_EQ(cut("amqp://u:p@a:1,amqp://u:q@b:2"), "amqp://u:***@a:1,amqp://u:***@b:2");
  EXPECT_EQ(cut("jdbc:mysql://u:p@h/db"), "jdbc:mysql://u:***@h/db");
  EXPECT_EQ(cut("sh -c 'psql postgres://u:p@h/db -c select'"),
            "sh -c 'psql postgres://u:***@h/db -c select'");
}

TEST(CutSecrets, a_password_in_a_url_may_hold_what_it_should_have_escaped) {
  EXPECT_EQ(cut("postgres://u:p@ss/w:o#r?d@host/db"), "postgres://u:***@host/db");
}

TEST(CutSecrets, a_url_without_a_secret_stays) {
  EXPECT_EQ(cut("http://host:8080/path?q=1"), "http://host:8080/path?q=1");
  EXPECT_EQ(cut("postgres://user@host/db"), "postgres://user@host/db");
  EXPECT_EQ(cut("git@github.com:owner/name.git"), "git@github.com:owner/name.git");
}

TEST(CutSecrets, a_user_alone_in_an_http_url_is_a_token) {
  EXPECT_EQ(cut("https://abcdef0123@github.com/o/n"), "https://***@github.com/o/n");
}

TEST(CutSecrets, parameters_of_a_url_are_cut_by_name) {
  EXPECT_EQ(cut("postgres://h/db?user=u&password=p&sslmode=off"),
            "postgres://h/db?user=u&password=***&sslmode=off");
  EXPECT_EQ(cut("http://h/?access_token=abc&x=1"), "http://h/?access_token=***&x=1");
}

TEST(CutSecrets, a_key_value_dsn_loses_its_password) {
  EXPECT_EQ(cut("host=h user=u password=p dbname=d"), "host=h user=u password=*** dbname=d");
  EXPECT_EQ(cut("password='p w' host=h"), "password='***' host=h");
  EXPECT_EQ(cut("password = p host=h"), "password = *** host=h");
  EXPECT_EQ(cut("password=a&b;c host=h"), "password=*** host=h");
  EXPECT_EQ(cut("Server=s;User Id=u;Password=my p;Database=d"),
            "Server=s;User Id=u;Password=***;Database=d");
}

TEST(CutSecrets, the_dsn_of_gos_mysql_driver_loses_its_password) {
  EXPECT_EQ(cut("user:pass@tcp(127.0.0.1:3306)/db"), "user:***@tcp(127.0.0.1:3306)/db");
  EXPECT_EQ(cut("scott/tiger@//db:1521/shop"), "scott/***@//db:1521/shop");
  EXPECT_EQ(cut("scott/ti:ger@//db:1521/shop"), "scott/***@//db:1521/shop");
  EXPECT_EQ(cut("user:p@s:s@unix(/run/m.sock)/db"), "user:***@unix(/run/m.sock)/db");
  EXPECT_EQ(cut("-dsn=user:pass@/db"), "-dsn=user:***@/db");
}

TEST(CutSecrets, flags_lose_their_values_in_every_form) {
  EXPECT_EQ(cut("--password=p w"), "--password=***");
  EXPECT_EQ(cut("--token=X"), "--token=***");
  EXPECT_EQ(cut("-apiKey=X"), "-apiKey=***");
  EXPECT_EQ(cut("-Dspring.datasource.password=p"), "-Dspring.datasource.password=***");
  EXPECT_THAT(cut_secrets({"app", "--password", "p", "--port", "1"}),
              ElementsAreArray(Command{"app", "--password", "***", "--port", "1"}));
  EXPECT_THAT(cut_secrets({"app", "-db-pass", "p"}),
              ElementsAreArray(Command{"app", "-db-pass", "***"}));
  EXPECT_THAT(cut_secrets({"app", "--token", "-x9"}),
              ElementsAreArray(Command{"app", "--token", "***"}));
  EXPECT_THAT(cut_secrets({"app", "--password", "--host", "h"}),
              ElementsAreArray(Command{"app", "--password", "--host", "h"}));
}

TEST(CutSecrets, a_flag_at_the_end_has_no_value) {
  EXPECT_THAT(cut_secrets({"app", "--password"}), ElementsAreArray(Command{"app", "--password"}));
  EXPECT_EQ(cut("--password="), "--password=");
}

TEST(CutSecrets, variables_lose_their_values) {
  EXPECT_EQ(cut("PGPASSWORD=p"), "PGPASSWORD=***");
  EXPECT_EQ(cut("MYSQL_PWD=p"), "MYSQL_PWD=***");
  EXPECT_EQ(cut("AWS_SECRET_ACCESS_KEY=a/b+c"), "AWS_SECRET_ACCESS_KEY=***");
  EXPECT_EQ(cut("PGPASSWORD=p psql -h h"), "PGPASSWORD=*** psql -h h");
  EXPECT_EQ(cut("env DB_PASS='p w' ./x --password q --port 1"),
            "env DB_PASS='***' ./x --password *** --port 1");
}

TEST(CutSecrets, headers_are_cut_to_the_end_of_their_quotation) {
  EXPECT_EQ(cut("Authorization: Bearer abc.def"), "Authorization: ***");
  EXPECT_EQ(cut("curl -H 'Authorization: Basic dTpw' http://h/"),
            "curl -H 'Authorization: ***' http://h/");
  EXPECT_EQ(cut("X-Api-Key: abc"), "X-Api-Key: ***");
  EXPECT_EQ(cut("Cookie: a=b; c=d"), "Cookie: ***");
  EXPECT_EQ(cut("use Bearer abc now"), "use Bearer *** now");
}

TEST(CutSecrets, json_values_are_cut_by_name) {
  EXPECT_EQ(cut(R"({"user":"u","password":"p\"w","port":1})"),
            R"({"user":"u","password":"***","port":1})");
}

TEST(CutSecrets, tokens_are_known_by_their_look) {
  EXPECT_EQ(cut("ghp_0123456789abcdefghij"), "***");
  EXPECT_EQ(cut("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln y"), "x *** y");
}

TEST(CutSecrets, one_letter_flags_are_cut_where_the_program_means_a_password) {
  EXPECT_THAT(cut_secrets({"/usr/bin/mysql", "-uroot", "-psecret", "db"}),
              ElementsAreArray(Command{"/usr/bin/mysql", "-uroot", "-p***", "db"}));
  EXPECT_THAT(cut_secrets({"sudo", "redis-cli", "-a", "pw", "ping"}),
              ElementsAreArray(Command{"sudo", "redis-cli", "-a", "***", "ping"}));
  EXPECT_THAT(cut_secrets({"curl", "-u", "me:pw", "http://h"}),
              ElementsAreArray(Command{"curl", "-u", "me:***", "http://h"}));
  EXPECT_THAT(cut_secrets({"sshpass", "-p", "pw", "ssh", "-p", "22", "h"}).at(2), "***");
  EXPECT_EQ(cut("exec mysqldump -psecret db"), "exec mysqldump -p*** db");
  EXPECT_THAT(cut_secrets({"server", "-p", "8080"}),
              ElementsAreArray(Command{"server", "-p", "8080"}));
}

TEST(CutSecrets, what_only_sounds_like_a_secret_stays) {
  for (const std::string plain :
       {"--keyspace=k", "--keepalive=60", "--password-file=/run/p", "--compass=n", "--no-auth=1",
        "--author=x", "monkey:8080", "image:tag@sha256:abcd", "--port=8080", "nginx: master"}) {
    EXPECT_EQ(cut(plain), plain);
  }
}

TEST(CutSecrets, cutting_twice_changes_nothing_more) {
  const Command once = cut_secrets({"mysql", "-psecret", "--token", "x", "postgres://u:p@h/d",
                                    "password='a b' host=h", "Authorization: Bearer z"});
  EXPECT_EQ(cut_secrets(once), once);
}

TEST(CutSecrets, hostile_arguments_are_read_once_and_never_throw) {
  for (const char* piece : {"://", ":", "@", "=", "'", "\"\\", "key=", "key: ", "-p ",
                            "&a=", "a://b:c@", "\xff\x00\x1b[2J", "--key ", "mysql -p"}) {
    std::string hostile;
    while (hostile.size() < (32 << 10)) hostile += piece;
    const auto out = cut_secrets({"mysql", hostile, hostile});
    EXPECT_EQ(out.size(), 3U);
  }
}

TEST(CutSecrets, code_loses_only_what_literals_hold) {
  EXPECT_EQ(cut_secrets_in_code(R"(db, err := sql.Open("postgres", "postgres://u:p@h/d"))"),
            R"(db, err := sql.Open("postgres", "postgres://u:***@h/d"))");
  EXPECT_EQ(cut_secrets_in_code(R"(PQconnectdb("host=h password=p dbname=d");)"),
            R"(PQconnectdb("host=h password=*** dbname=d");)");
  EXPECT_EQ(cut_secrets_in_code(R"(password := "hunter2")"), R"(password := "***")");
  EXPECT_EQ(cut_secrets_in_code(R"({"password": "x", "port": "1"})"),
            R"({"password": "***", "port": "1"})");
  EXPECT_EQ(cut_secrets_in_code(R"(db.Query("select 'a:b@c' where x=1"))"),
            R"(db.Query("select 'a:***@c' where x=1"))");
  for (const std::string plain :
       {"token = next_token(stream, key);", "if (token == nullptr) return fail(\"no token\");",
        "char c = '\"'; // don't", "fn get<'a>(x: &'a str) -> Password {",
        "case kPassword: return;"}) {
    EXPECT_EQ(cut_secrets_in_code(plain), plain);
  }
}

TEST(CutSecrets, what_a_service_logs_loses_its_statements_and_values) {
  const auto log = [](std::string_view line) { return cut_secrets_in_log(line); };
  EXPECT_EQ(log("pq: canceling: SELECT * FROM users WHERE name='bob'"),
            "pq: canceling: SELECT ***");
  EXPECT_EQ(log(R"(level=error query="select a from b where c = \"x\"" took=3s)"),
            R"(level=error query="select ***" took=3s)");
  EXPECT_EQ(log("sql \"insert into cards values (4111)\" failed"), "sql \"insert ***\" failed");
  EXPECT_EQ(log("Detail: Key (email)=(a@b.c) already exists"),
            "Detail: Key (email)=(***) already exists");
  EXPECT_EQ(log("Error 1062: Duplicate entry 'bob' for key 'name'"),
            "Error 1062: Duplicate entry '***' for key 'name'");
  EXPECT_EQ(log("dial postgres://app:pw@db:5432/x: too many clients"),
            "dial postgres://app:***@db:5432/x: too many clients");
  EXPECT_EQ(log("cannot select a backend, update the settings"),
            "cannot select a backend, update the settings");
  EXPECT_EQ(log(""), "");
}

TEST(CutSecrets, an_empty_command_stays_empty) { EXPECT_TRUE(cut_secrets({}).empty()); }

}  // namespace
}  // namespace unclosed
