// Evidence of who owns a connection, on cases that leak and on their healthy counterparts.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "judge/street.h"

namespace unclosed {
namespace {

NamedFrame frame(const char* function, bool own) { return {function, "app.go", 12, "app", own}; }

Held held(HolderKind kind, bool own) {
  Held held;
  held.holder.kind = kind;
  held.holder.own = own;
  held.holder.name = kind == HolderKind::kVariable ? "main.sessions" : "";
  if (kind == HolderKind::kGoroutine) held.holder.frame = frame("main.worker", own);
  held.holder.goroutine = kind == HolderKind::kGoroutine ? 7 : 0;
  return held;
}

GoroutineNow waits(const char* state, double seconds) {
  return {7, state, seconds, frame("main.worker", true), true};
}

// Ten connections with unread answers, one every three seconds, each with an owner of this kind.
Street left_alone(const Owner& owner, int count = 17) {
  Street street;
  for (int i = 0; i < count; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1 + 3 * i, kDial);
    facts.id.object += static_cast<uint64_t>(i) * 100;
    street.last().facts = facts;
    street.ask(street.last().facts, 1.1 + 3 * i, "main>serve>lib:write");
    street.last().facts.recv_queue = 100;
    street.last().unread_since = Street::at(1.2 + 3 * i);
    street.histories.owners[street.last().facts.id] = std::make_shared<Owner>(owner);
  }
  return street;
}

TEST(OwnerGone, ended_goroutines_and_nobody_that_refers_to_it_is_evidence) {
  Owner owner;
  owner.user = 7;
  owner.held = held(HolderKind::kGarbage, false);
  const auto judgement = left_alone(owner).judge();
  const auto* found = find(judgement.findings, "owner-gone");
  ASSERT_TRUE(found);
  EXPECT_NE(found->text.find("a collection closes them"), std::string::npos) << found->text;
  EXPECT_EQ(found->family, Family::kOwner);
}

TEST(OwnerGone, a_goroutine_of_a_library_alone_owns_nothing) {
  Owner owner;
  owner.user = 7;
  owner.held = held(HolderKind::kGoroutine, false);
  EXPECT_TRUE(find(left_alone(owner).judge().findings, "owner-gone"));
}

TEST(OwnerGone, one_that_still_runs_or_that_the_service_keeps_is_none) {
  Owner alive;
  alive.user = 7;
  alive.user_now = waits("IO wait", 1);
  alive.held = held(HolderKind::kGarbage, false);
  EXPECT_FALSE(find(left_alone(alive).judge().findings, "owner-gone"));
  Owner kept;
  kept.user = 7;
  kept.held = held(HolderKind::kVariable, true);
  const auto judgement = left_alone(kept).judge();
  EXPECT_FALSE(find(judgement.findings, "owner-gone"));
  ASSERT_FALSE(judgement.findings.empty());
  EXPECT_EQ(judgement.findings[0].held, (Site{"main.sessions", "", 0}));
}

TEST(OwnerGone, of_a_pool_that_was_not_read_nothing_is_known) {
  Owner owner;
  owner.user = 7;
  owner.held = held(HolderKind::kGoroutine, false);
  owner.held->in_pool = InPool::kUnread;
  EXPECT_FALSE(find(left_alone(owner).judge().findings, "owner-gone"));
  owner.held->in_pool = InPool::kLent;
  EXPECT_TRUE(find(left_alone(owner).judge().findings, "owner-gone"));
}

// What was sent last, the end of a statement, has no answer: nobody waits for one.
Street asked_for_nothing(const Owner& owner) {
  Street street = left_alone(owner);
  for (auto& history : street.histories.open) {
    history.facts.recv_queue = 0;
    history.unread_since.reset();
    history.facts.last_receive = *history.facts.last_send - std::chrono::milliseconds(1);
  }
  return street;
}

TEST(Unawaited, a_last_message_that_nobody_awaits_an_answer_to_excuses_nothing) {
  Owner owner;
  owner.user = 7;
  owner.held = held(HolderKind::kGoroutine, false);
  for (const char* elsewhere : {"", "chan receive"}) {
    if (*elsewhere != 0) owner.user_now = waits(elsewhere, 300);
    const auto judgement = asked_for_nothing(owner).judge();
    ASSERT_FALSE(judgement.findings.empty()) << elsewhere;
    EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
  }
}

TEST(Unawaited, while_somebody_may_wait_or_its_pool_has_it_it_is_left_in_peace) {
  Owner owner;
  owner.user = 7;
  const Owner not_asked = owner;  // who holds it, and whether a pool has it
  owner.held = held(HolderKind::kGoroutine, false);
  Owner read = owner;
  read.waiters.emplace_back().goroutine = 9;
  Owner calls = owner;
  calls.user_now = waits("syscall", 300);
  Owner pooled = owner;
  pooled.held->free_list = "database/sql.DB.freeConn";
  for (const Owner& one : {not_asked, read, calls, pooled})
    EXPECT_TRUE(asked_for_nothing(one).judge().findings.empty());
}

TEST(InFreeList, what_a_pool_has_to_give_is_not_left_alone) {
  Owner owner;
  owner.user = 7;
  owner.held = held(HolderKind::kGarbage, false);
  owner.held->free_list = "database/sql.DB.freeConn";
  Street street = left_alone(owner);
  for (auto& history : street.histories.open) history.facts.recv_queue = 0;
  const auto judgement = street.judge();
  EXPECT_TRUE(judgement.findings.empty());
  EXPECT_TRUE(find(judgement.groups, "in-free-list"));
}

TEST(InFreeList, what_lies_in_a_pool_of_its_own_was_left_there_with_it) {
  Owner owner;
  owner.user = 7;
  owner.held = held(HolderKind::kGarbage, false);
  owner.held->free_list = "net/http.Transport.idleConn";
  const auto judged = [&](const std::function<uint64_t(uint64_t)>& pool_of) {
    Street street = left_alone(owner);
    uint64_t number = 0;
    for (auto& history : street.histories.open) {
      history.facts.recv_queue = 0;
      owner.held->pool = pool_of(++number);
      street.histories.owners[history.facts.id] = std::make_shared<Owner>(owner);
    }
    return street.judge();
  };
  const auto each_its_own = judged([](uint64_t number) { return 0xc000 + number; });
  EXPECT_FALSE(each_its_own.findings.empty());
  EXPECT_FALSE(find(each_its_own.findings, "in-free-list"));
  // Two processes, whose pools lie at the same places.
  Street two = left_alone(owner);
  uint64_t number = 0;
  for (auto& history : two.histories.open) {
    history.facts.recv_queue = 0;
    owner.held->pool = 0xc000 + ++number / 2;
    if (number % 2 == 0) ++history.facts.opener.pid;
    two.histories.owners[history.facts.id] = std::make_shared<Owner>(owner);
  }
  EXPECT_FALSE(find(two.judge().findings, "in-free-list"));
  EXPECT_FALSE(find(two.judge().groups, "in-free-list"));
  const auto shared = judged([](uint64_t which) { return 0xc000 + which % 3; });
  EXPECT_TRUE(shared.findings.empty());
  EXPECT_TRUE(find(shared.groups, "in-free-list"));
}

TEST(HolderStuck, a_goroutine_that_waits_for_something_else_for_long_is_evidence) {
  Owner owner;
  owner.user = 7;
  owner.user_now = owner.holder_now = waits("chan receive", 300);
  owner.held = held(HolderKind::kGoroutine, true);
  const auto judgement = left_alone(owner).judge();
  const auto* found = find(judgement.findings, "holder-stuck");
  ASSERT_TRUE(found);
  EXPECT_NE(found->text.find("in chan receive at main.worker:12, longest 300 s"), std::string::npos)
      << found->text;
  EXPECT_EQ(judgement.findings[0].held->function, "main.worker");
}

TEST(HolderStuck, one_that_waits_for_the_answer_or_only_a_moment_is_none) {
  Owner owner;
  owner.user = 7;
  owner.held = held(HolderKind::kGoroutine, true);
  owner.user_now = owner.holder_now = waits("IO wait", 300);
  EXPECT_FALSE(find(left_alone(owner).judge().findings, "holder-stuck"));
  owner.user_now = owner.holder_now = waits("chan receive", 2);
  EXPECT_FALSE(find(left_alone(owner).judge().findings, "holder-stuck"));
}

TEST(HolderStuck, workers_that_wait_for_work_do_not_become_more) {
  Owner owner;
  owner.user = 7;
  owner.user_now = owner.holder_now = waits("chan receive", 300);
  owner.held = held(HolderKind::kGoroutine, true);
  Street street = left_alone(owner);
  for (auto& history : street.histories.open) {
    history.facts.opened.at = Street::at(1);
    history.facts.last_send = history.facts.requests[0]->at = Street::at(1.1);
    history.facts.last_receive = Street::at(1.2);
    history.unread_since = Street::at(1.2);
  }
  EXPECT_FALSE(find(street.judge().findings, "holder-stuck"));
}

TEST(HolderStuck, a_select_may_end_by_itself) {
  Owner owner;
  owner.user = 7;
  owner.user_now = owner.holder_now = waits("select", 300);
  owner.held = held(HolderKind::kGoroutine, true);
  EXPECT_FALSE(find(left_alone(owner).judge().findings, "holder-stuck"));
}

// A helper wrote last, for everybody; whoever called it went on, and waits with it in hand.
TEST(CameBack, the_function_that_the_goroutine_waits_in_is_blamed_and_not_its_helper) {
  Owner owner;
  owner.user = 7;
  owner.user_now = GoroutineNow{
      7, "chan receive", 300.0, NamedFrame{"stream", "/src/app.cc", 36, "app", true}, true, false};
  const auto street = [](const Owner& known) {
    Street made;
    for (int i = 0; i < 10; ++i) {
      auto& facts = made.open(Kind::kTcp, Role::kClient, 1 + 3 * i, "lib:run>lib:connect");
      facts.id.object += static_cast<uint64_t>(i) * 100;
      made.ask(facts, 1.1 + 3 * i, "main>stream:25>send:48>lib:write", 7);
      facts.recv_queue = 100;
      made.last().unread_since = Street::at(1.2 + 3 * i);
      made.histories.owners[facts.id] = std::make_shared<Owner>(known);
    }
    return made;
  };
  const auto blame = street(owner).judge().findings.at(0).blame;
  ASSERT_TRUE(blame);
  EXPECT_EQ(blame->site, (Site{"stream", "/src/app.cc", 25}));
  EXPECT_EQ(blame->role, BlameRole::kUsed);
  // One that has ended, or waits elsewhere, says nothing.
  owner.user_now->at->function = "elsewhere";
  EXPECT_EQ(street(owner).judge().findings.at(0).blame->site.function, "send");
  owner.user_now.reset();
  EXPECT_EQ(street(owner).judge().findings.at(0).blame->site.function, "send");
}

// As many goroutines wait for a further connection as their pool has lent, and that is all of it.
TEST(NestedBorrow, a_pool_that_is_lent_out_to_those_who_wait_for_it_is_evidence) {
  const auto find_in = [](int64_t lent, int64_t most, bool distinct, bool for_pool) {
    auto pool = std::make_shared<SqlPool>();
    pool->max_open = most;
    pool->open = pool->in_use = lent;
    Street street;
    for (uint64_t i = 0; i < 4; ++i) {
      // Half of them from before the attach, the others opened by a caller that is known.
      auto& facts =
          street.open(Kind::kTcp, Role::kClient, i < 2 ? -1 : 5, "main>total>lib:connect");
      facts.id.object += i * 100;
      Owner owner;
      owner.pool = pool;
      owner.lent = true;
      owner.in_hand = distinct;
      owner.held = held(HolderKind::kGoroutine, true);
      owner.held->holder.goroutine = distinct ? 7 + i : 7;
      owner.holder_now = waits("select", 40);
      owner.holder_now->id = owner.held->holder.goroutine;
      owner.holder_now->for_pool = for_pool;
      street.histories.owners[facts.id] = std::make_shared<Owner>(owner);
    }
    const auto judgement = street.judge();
    const auto* found = find(judgement.findings, "nested-borrow");
    if (found != nullptr) {
      EXPECT_TRUE(found->conclusive);
      EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
      for (const auto& finding : judgement.findings) {
        EXPECT_EQ(finding.blame->site.function, "main.worker") << "who opened it is innocent";
      }
    }
    return found != nullptr;
  };
  EXPECT_TRUE(find_in(4, 4, true, true));
  EXPECT_FALSE(find_in(5, 5, true, true)) << "the fifth may be given back";
  EXPECT_FALSE(find_in(4, 8, true, true)) << "the pool may open more";
  EXPECT_FALSE(find_in(4, 4, false, true)) << "one goroutine that reaches them all";
  EXPECT_FALSE(find_in(4, 4, true, false)) << "they wait for something else";
}

// Whoever accepted has handed it on: the handler that waits for others is blamed, and one that waits
// Whoever accepted has handed it on: the handler is blamed that stands stuck.
TEST(Held, the_handler_that_is_stuck_is_blamed_and_not_who_accepted) {
  const auto blamed = [](const char* state, bool serves = true) {
    Street street;
    for (uint64_t i = 0; i < 12; ++i) {
      auto& facts = street.open(Kind::kTcp, Role::kServer, 1 + 3.0 * static_cast<double>(i),
                                "main>listen>lib:serve>lib:accept");
      facts.id.object += i * 100;
      facts.last_receive = Street::at(1.1 + 3.0 * static_cast<double>(i));
      facts.state = TcpState::kCloseWait;
      facts.state_since = facts.peer_closed_at = Street::at(1.5 + 3.0 * static_cast<double>(i));
      Owner owner;
      owner.held = held(HolderKind::kGoroutine, true);
      owner.held->holder.goroutine = 7 + i;
      owner.holder_now = waits(state, 50);
      if (serves) owner.request = HttpRequest{HttpRequest::Role::kServing, -1, 7 + i, {}, {}};
      street.histories.owners[facts.id] = std::make_shared<Owner>(owner);
    }
    const auto findings = street.judge().findings;
    return findings.empty() || !findings[0].blame ? "" : findings[0].blame->site.function;
  };
  EXPECT_EQ(blamed("chan send"), "main.worker");
  EXPECT_EQ(blamed("sync.WaitGroup.Wait"), "main.worker");
  EXPECT_EQ(blamed("select"), "main.worker") << "its client has gone";
  EXPECT_NE(blamed("select", false), "main.worker") << "a goroutine that reaches it";
}

// Nothing but the pool's own books leads to what it has lent, and others wait for one.
TEST(OwnerGone, what_only_the_pool_knows_of_is_lost_to_it) {
  const auto found = [](InPool in_pool, bool by_pool, uint64_t want_one, bool user_there) {
    Street street;
    for (uint64_t i = 0; i < 6; ++i) {
      auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "main>total>lib:connect");
      facts.id.object += i * 100;
      street.ask(facts, 1.1, "main>total>lib:write");
      Owner owner;
      owner.held = held(HolderKind::kVariable, true);
      owner.held->in_pool = in_pool;
      owner.held->holder.by_pool = by_pool;
      owner.want_one = want_one;
      if (user_there) owner.user_now = waits("chan receive", 50);
      street.histories.owners[facts.id] = std::make_shared<Owner>(owner);
    }
    const auto judgement = street.judge();
    const auto* evidence = find(judgement.findings, "owner-gone");
    return evidence != nullptr && evidence->conclusive;
  };
  EXPECT_TRUE(found(InPool::kLent, true, 3, false));
  EXPECT_FALSE(found(InPool::kLent, true, 0, false)) << "nobody lacks one";
  EXPECT_FALSE(found(InPool::kLent, false, 3, false)) << "a variable has it";
  EXPECT_FALSE(found(InPool::kFree, true, 3, false));
  EXPECT_FALSE(found(InPool::kUnread, true, 3, false));
  EXPECT_FALSE(found(InPool::kLent, true, 3, true)) << "its user is there";
}

// All is lent to goroutines that wait for others: a leak where borrowers stand in line, and workers
// that keep a connection each where nobody does.
TEST(LentOut, a_pool_whose_borrowers_are_all_stuck_is_evidence_where_others_want_one) {
  const auto found = [](uint64_t in_line, double for_seconds, const char* state) {
    auto pool = std::make_shared<SqlPool>();
    pool->max_open = pool->open = pool->in_use = 4;
    pool->waiting = in_line;
    Street street;
    for (uint64_t i = 0; i < 4; ++i) {
      auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "main>total>lib:connect");
      facts.id.object += i * 100;
      street.ask(facts, 1.1, "main>total>lib:write");
      Owner owner;
      owner.pool = pool;
      owner.lent = owner.in_hand = true;
      owner.held = held(HolderKind::kGoroutine, true);
      owner.held->holder.goroutine = 7 + i;
      owner.holder_now = waits(state, for_seconds);
      owner.holder_now->id = 7 + i;
      street.histories.owners[facts.id] = std::make_shared<Owner>(owner);
    }
    const auto judgement = street.judge();
    const auto* evidence = find(judgement.findings, "lent-out");
    return evidence != nullptr && evidence->conclusive &&
           judgement.findings[0].verdict == Verdict::kLeaking;
  };
  EXPECT_TRUE(found(3, 50, "chan send"));
  EXPECT_FALSE(found(0, 50, "chan receive")) << "workers";
  EXPECT_FALSE(found(3, 2, "chan send")) << "just now";
  EXPECT_FALSE(found(3, 50, "IO wait")) << "in a query";
}

// Of pgxpool and its like only memory tells who has what: all is lent to those who wait for more.
TEST(NestedBorrow, a_pool_without_books_that_is_lent_to_those_in_line_is_stuck) {
  const auto found = [](const std::function<void(uint64_t, Owner&)>& change) {
    Street street;
    for (uint64_t i = 0; i < 4; ++i) {
      auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "lib:fill>lib:connect");
      street.ask(facts, 1.1, "main>place>lib:write");
      Owner owner;
      owner.want_one = 9;
      owner.one_each = true;
      owner.held = held(HolderKind::kGoroutine, true);
      owner.held->in_pool = InPool::kLent;
      owner.held->pool = 0xc000;
      owner.held->holder.goroutine = 7 + i;
      owner.held->holder.certainty = HolderCertainty::kCertain;
      owner.holder_now = waits("select", 50);
      owner.holder_now->id = 7 + i;
      owner.holder_now->for_pool = true;
      change(i, owner);
      street.histories.owners[facts.id] = std::make_shared<Owner>(owner);
    }
    const auto judgement = street.judge();
    const auto* evidence = find(judgement.findings, "nested-borrow");
    return evidence != nullptr && evidence->conclusive;
  };
  EXPECT_TRUE(found([](uint64_t, Owner&) {}));
  EXPECT_FALSE(found([](uint64_t i, Owner& owner) { owner.holder_now->for_pool = i != 2; }));
  EXPECT_FALSE(found([](uint64_t, Owner& owner) { owner.holder_now->wait_seconds = 3; }));
  EXPECT_FALSE(found([](uint64_t i, Owner& owner) {
    if (i == 2) owner.held->in_pool = InPool::kFree;
  }));
  EXPECT_FALSE(found([](uint64_t i, Owner& owner) {
    if (i == 2) owner.held.reset();  // in a query, perhaps: it was not asked about
  }));
  EXPECT_FALSE(found([](uint64_t, Owner& owner) {
    owner.held->holder.certainty = HolderCertainty::kLikely;
  }));
}

TEST(Held, where_no_stack_names_anybody_the_goroutine_that_holds_it_is_blamed) {
  Owner owner;
  owner.user = 7;
  owner.user_now = owner.holder_now = waits("chan receive", 300);
  owner.held = held(HolderKind::kGoroutine, true);
  Street street;
  for (int i = 0; i < 10; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1 + 3 * i, "lib:run>lib:connect");
    facts.id.object += static_cast<uint64_t>(i) * 100;
    street.ask(facts, 1.1 + 3 * i, "lib:run>lib:write");
    facts.recv_queue = 100;
    street.last().unread_since = Street::at(1.2 + 3 * i);
    street.histories.owners[facts.id] = std::make_shared<Owner>(owner);
  }
  const auto judgement = street.judge();
  ASSERT_FALSE(judgement.findings.empty());
  ASSERT_TRUE(judgement.findings[0].blame);
  EXPECT_EQ(judgement.findings[0].blame->role, BlameRole::kHeld);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "main.worker");
  // One that somebody else used keeps the pool.
  owner.user = 8;
  for (auto& [id, known] : street.histories.owners) known = std::make_shared<Owner>(owner);
  EXPECT_FALSE(street.judge().findings.at(0).blame);
}

TEST(HoldsWhatWasLent, rows_in_a_goroutine_do_and_ways_through_the_pool_do_not) {
  Holder holder;
  holder.kind = HolderKind::kGoroutine;
  const auto chain = [&](std::initializer_list<const char*> types) {
    holder.chain.clear();
    for (const char* type : types) holder.chain.push_back({type, 8, "field", false});
    return holds_what_was_lent(holder);
  };
  EXPECT_TRUE(chain({"database/sql.Rows", "net.netFD"}));
  EXPECT_TRUE(chain({"database/sql.driverConn", "net.netFD"}));
  EXPECT_FALSE(chain({"database/sql.DB", "database/sql.driverConn", "net.netFD"}));
  EXPECT_FALSE(chain({"context.cancelCtx", "database/sql.Rows", "net.netFD"}));
  EXPECT_FALSE(chain({}));
  holder.kind = HolderKind::kVariable;
  EXPECT_FALSE(chain({"database/sql.Rows", "net.netFD"}));
}

}  // namespace
}  // namespace unclosed
