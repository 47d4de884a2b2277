// A made-up report for tests of the formats: one leaking and one suspect finding, a healthy group.
#pragma once

#include <cerrno>

#include "model/report.h"

namespace unclosed::sample {

constexpr int64_t kSecond = 1'000'000'000;

inline Site site(const char* function, uint32_t line) {
  return {function, "/src/app/main.go", line};
}

inline NamedFrame frame(const char* function, uint32_t line, bool own) {
  return {function, own ? "/src/app/main.go" : "/go/sql.go",
          line,     own ? "app" : "database/sql",
          own,      false};
}

inline FoundConnection connection(int fd) {
  FoundConnection one;
  one.id = {0xffff888000000000ULL + static_cast<uint64_t>(fd), 1};
  one.descriptor = {{4242, 100}, fd};
  one.kind = Kind::kTcp;
  one.state = TcpState::kEstablished;
  one.local = "127.0.0.1:47842";
  one.peer = "127.0.0.1:5432";
  one.age_seconds = 55.1;
  one.idle_seconds = 55.0004;
  one.recv_queue = 9861;
  one.last_actor = {4250, 37};
  one.opened = 11;
  one.used = 12;
  return one;
}

inline Finding leak() {
  Finding one;
  one.fingerprint = "v1:9f2a31c0";
  one.verdict = Verdict::kLeaking;
  one.kind = Kind::kTcp;
  one.role = Role::kClient;
  one.peer = "127.0.0.1:5432";
  one.count = one.descriptors = 12;
  one.older_matched = 3;
  one.growth_per_minute = 3.4;
  one.blame = Blame{BlameRole::kUsed, site("main.leakyQuery", 3),
                    "common frame of the opening and the last request", 0.97};
  one.opened = site("main.goodQuery", 4);
  one.used = site("main.leakyQuery", 3);
  one.all_opened = {{site("main.goodQuery", 4), 11}, {site("main.warmUp", 40), 1}};
  one.all_used = {{site("main.leakyQuery", 3), 12}};
  one.normally_closed_at = NormallyClosed{site("main.goodQuery", 4), CloseHow::kReturned};
  one.diagnosis = Diagnosis::kLeak;
  one.evidence = {{"unread-response", Family::kUse, true, false,
                   "12 of 12 hold unread bytes (9861 each) for over 30 s"},
                  {"end-ignored", Family::kPeer, true, true, "1 of 12 was given end-of-file"},
                  {"heartbeat", Family::kAgainst, false, false, "2 of 12 send one every 10 s"}};
  one.states = {{TcpState::kEstablished, 11}, {TcpState::kCloseWait, 1}};
  for (int fd = 7; fd < 19; ++fd) one.connections.push_back(connection(fd));
  one.connections[0].before_attach = true;
  one.connections[0].opened = kNoStack;
  return one;
}

inline Finding suspect() {
  Finding one;
  one.fingerprint = "v1:c07d1e00";
  one.verdict = Verdict::kSuspect;
  one.kind = Kind::kFile;
  one.count = one.descriptors = 7;
  one.no_blame_reason =
      "all were opened before the attach; a restart under `unclosed run` names it";
  one.evidence = {{"rising-floor", Family::kGrowth, true, false, "rose over 4 windows of 15 s"}};
  FoundConnection file;
  file.descriptor = {{4242, 100}, 30};
  file.kind = Kind::kFile;
  file.peer = "/var/spool/rejected \x1b[31m\xff.job";
  file.before_attach = true;
  file.age_seconds = 60.2;
  one.connections = {file};
  return one;
}

inline Finding healthy() {
  Finding one;
  one.fingerprint = "v1:0a0b0c0d";
  one.kind = Kind::kTcp;
  one.role = Role::kServer;
  one.peer = "0.0.0.0:8080";
  one.count = one.descriptors = 1788;
  one.opened = site("main.serve", 80);
  return one;
}

inline Report nothing_found() {
  Report report;
  ProcessInfo app;
  app.id = {4242, 100};
  app.exe = "/srv/app";
  app.command = {"./app", "--password", "***", "bad\xff\x1b[2Jbytes"};
  app.runtime = "go1.26.8";
  app.started = {-86400 * kSecond};
  report.processes = {app};
  report.clock = {{0}, 1'795'255'200 * kSecond};
  report.started = {0};
  report.ended = {60'200'000'000};
  report.rung = "bpf";
  report.coverage.opened = 5310;
  report.coverage.closed = 5208;
  report.coverage.open = 1807;
  report.coverage.traced = 1785;
  report.coverage.before_attach = 22;
  report.cost = Cost{0.31, 10620, 0.0212, 31'000'000, 42'000'000};
  report.judgement.groups = {healthy()};
  report.judgement.limits = {{{"nofile", {4242, 100}, 1807, 10240}, {}, Diagnosis::kUnknown}};
  return report;
}

inline TakenBack taken_back() {
  TakenBack one;
  one.fingerprint = "v1:77aa0b1c";
  one.said_at = {31 * kSecond};
  one.kind = Kind::kTcp;
  one.peer = "127.0.0.1:6379";
  one.blame = Blame{BlameRole::kUsed, site("main.warmCache", 61), "last use", 0.5};
  one.count = 8;
  one.used_again = 6;
  one.closed = 2;
  return one;
}

inline Report two_findings() {
  Report report = nothing_found();
  report.coverage.stacks_truncated = 3;
  report.coverage.probes = {
      {"net/http.(*persistConn).roundTrip", "requests are sent from a goroutine of the library"}};
  report.coverage.notes = {"UDP sockets: their use is not seen"};
  report.judgement.findings = {leak(), suspect()};
  report.judgement.taken_back = {taken_back()};
  report.judgement.groups = {leak(), suspect(), healthy()};
  report.judgement.limits = {{{"nofile", {4242, 100}, 812, 1024}, 8040, Diagnosis::kLeak},
                             {{"nofile", {4243, 101}, 9, std::nullopt}, {}, Diagnosis::kUnknown}};
  report.judgement.failures = {
      {Attempt::kAccept, EMFILE, site("main.serve", 80), "", 3201},
      {Attempt::kConnect, ECONNREFUSED, std::nullopt, "127.0.0.1:6379", 4}};
  report.left_open = {
      {Kind::kTcp, Role::kClient, OpenedBy::kOwnCode, {site("main.goodQuery", 4)}, 2},
      {Kind::kEpoll, Role::kUnknown, OpenedBy::kRuntime, {}, 1}};
  report.stacks[11] = {{frame("database/sql.(*DB).conn", 1395, false),
                        frame("main.goodQuery", 4, true), frame("main.main", 20, true)},
                       Truncation::kNone,
                       {}};
  report.stacks[12] = {{frame("github.com/lib/pq.(*conn).send", 900, false),
                        frame("main.leakyQuery", 3, true), frame("main.handle", 31, true)},
                       Truncation::kDepth,
                       {}};
  return report;
}

}  // namespace unclosed::sample
