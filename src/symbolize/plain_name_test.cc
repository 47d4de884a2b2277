#include "symbolize/plain_name.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

TEST(PlainName, parameters_templates_and_return_types_are_cut) {
  EXPECT_EQ(plain_demangled("store::Repo::open(int)"), "store::Repo::open");
  EXPECT_EQ(plain_demangled("double store::Repo::convert<double>(double)"), "store::Repo::convert");
  EXPECT_EQ(plain_demangled("std::vector<int, std::allocator<int> >::push_back(int const&)"),
            "std::vector::push_back");
  EXPECT_EQ(plain_demangled("Pool::size() const"), "Pool::size");
  EXPECT_EQ(plain_demangled("f(void (*)(int))"), "f");
}

TEST(PlainName, anonymous_namespaces_and_lambdas_are_kept) {
  EXPECT_EQ(plain_demangled("(anonymous namespace)::f(int)"), "(anonymous namespace)::f");
  EXPECT_EQ(plain_demangled("handle(int)::{lambda(int)#1}::operator()(int) const"),
            "handle::{lambda}");
  EXPECT_EQ(plain_demangled("store::(anonymous namespace)::deep(int) [clone .isra.0]"),
            "store::(anonymous namespace)::deep");
}

TEST(PlainName, operators_are_not_taken_for_brackets) {
  EXPECT_EQ(plain_demangled("A::operator()(int)"), "A::operator()");
  EXPECT_EQ(plain_demangled("A::operator<(A const&) const"), "A::operator<");
  EXPECT_EQ(plain_demangled("std::ostream& operator<< <char>(std::ostream&, char)"), "operator<<");
  EXPECT_EQ(plain_demangled("A::operator->()"), "A::operator->");
  EXPECT_EQ(plain_demangled("A::operator bool() const"), "A::operator bool");
  EXPECT_EQ(without_template("operator<=>"), "operator<=>");
  EXPECT_EQ(without_template("operator()<int>"), "operator()");
  EXPECT_EQ(without_template("vector<int, std::allocator<int> >"), "vector");
}

TEST(PlainName, symbols_are_demangled_without_versions_and_suffixes) {
  EXPECT_EQ(plain_symbol("_ZN5store4Repo4openEi"), "store::Repo::open");
  EXPECT_EQ(plain_symbol("_ZN5store4Repo4openEi.isra.0"), "store::Repo::open");
  EXPECT_EQ(plain_symbol("connect@@GLIBC_2.2.5"), "connect");
  EXPECT_EQ(plain_symbol("main"), "main");
  EXPECT_EQ(plain_symbol("_Znonsense"), "_Znonsense");
}

TEST(PlainName, rust_symbols_lose_their_hash_and_their_escapes) {
  EXPECT_EQ(plain_rust("_ZN6victim4pool4hold17h0123456789abcdefE"), "victim::pool::hold");
  EXPECT_EQ(plain_symbol("_ZN6victim4pool4hold28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE"),
            "victim::pool::hold::{{closure}}");
  EXPECT_EQ(plain_rust("_ZN54_$LT$victim..Pool$u20$as$u20$core..ops..drop..Drop$GT$4drop"
                       "17h0123456789abcdefE"),
            "<victim::Pool as core::ops::drop::Drop>::drop");
  EXPECT_EQ(plain_rust("_ZN5store4Repo4openEi"), "") << "C++ is not Rust";
  EXPECT_EQ(plain_rust("_ZN99999999999999999999E"), "") << "a length beyond the end";
}

TEST(PlainName, the_newer_symbols_of_rust_are_read_too) {
  EXPECT_EQ(plain_symbol("_RNvNtCs1234_6victim4pool4hold"), "victim::pool::hold");
  EXPECT_EQ(plain_symbol("_RNCNvNtCs1234_6victim4pool4hold0.llvm.12345"),
            "victim::pool::hold::{closure}");
  EXPECT_EQ(plain_symbol("_RNvXs2_NtNtCsjrHSEGnQ3l9_3std3net3tcpRNtB5_9TcpStreamNtNtB9_2io5Write"
                         "5write"),
            "<&std::net::tcp::TcpStream as std::io::Write>::write");
  EXPECT_EQ(plain_symbol("_RNvNvMs0_NtNtNtCsjrHSEGnQ3l9_3std3sys6thread4unixNtB7_6Thread3new"
                         "12thread_start"),
            "std::sys::thread::unix::Thread::new::thread_start");
  EXPECT_EQ(plain_symbol("_RINvMNtCsgEmfK2I1SDS_4core3stre12trim_matchesNvMNtNtB5_4char7methodsc"
                         "13is_whitespaceECsjrHSEGnQ3l9_3std"),
            "str::trim_matches");
  EXPECT_EQ(plain_symbol("_RINvMNtCsgEmfK2I1SDS_4core5sliceSh11copy_withinINtNtNtB5_3ops5range14"
                         "RangeInclusivejEECsfEOYDRpO4Ta_11miniz_oxide"),
            "<[u8]>::copy_within");
  EXPECT_EQ(plain_symbol("_RNvXC1aDNtB2_1TEL_NtB2_1U1f"), "<dyn a::T as a::U>::f");
  EXPECT_EQ(plain_symbol("_RNvYTNtC1a1XFUKCtEuAhj10_ENtB5_1U1f"),
            "<(a::X, fn(), [u8]) as a::U>::f");
  EXPECT_EQ(plain_symbol("_RINvC1a1fKj1f_KRe616263_KVNtB2_1OTh1_EE"), "a::f");
  EXPECT_EQ(plain_symbol("_RINvC1a1fKj1f_KRe616263_KVNtB2_1OTKp"),
            "_RINvC1a1fKj1f_KRe616263_KVNtB2_1OTKp") << "cut";
}

TEST(PlainName, damaged_symbols_of_rust_stay_as_they_are) {
  for (const char* symbol :
       {"_R", "_RN", "_RNv", "_RNvC", "_RNvC99999999999999999999a1f", "_RNvC4main", "_RB_",
        "_RNvB_1f", "_RNvNvB2_1f", "_RNvCs_", "_RNvCsZZZZZZZZZZZZZZZZZZZZZZZZ_1a1f", "_RINvC1a1f",
        "_RINvC1a1fB9_E", "_RNvC1a1f!", "_RNvC1a3\x1b[m", "_RNvMC1aT1f", "_Resolve", "_Ready",
        "_RNvNvC1a"})
    EXPECT_EQ(plain_symbol(symbol), symbol);
  EXPECT_EQ(plain_symbol("_R" + std::string(10'000, 'I')), "_R" + std::string(10'000, 'I'));
  EXPECT_EQ(plain_rust("_R" + std::string(10'000, 'N')), "");
  // Each tuple names the one before it twice: of 2^60 names none is made.
  constexpr std::string_view kDigits =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::string bomb = "NvXC1aTTuuE";
  for (size_t before = 7, i = 0; i < 60; ++i) {
    const std::string back = {'B', kDigits[(before - 1) / 62], kDigits[(before - 1) % 62], '_'};
    before = bomb.size();
    bomb += "T" + back + back + "E";
  }
  bomb = "_R" + bomb + "ENtC1a1U1f";
  EXPECT_EQ(plain_symbol(bomb), bomb);
}

TEST(PlainName, the_crate_of_a_rust_function_is_the_one_that_may_hold_its_code) {
  using Crates = std::vector<std::string>;
  EXPECT_EQ(rust_crates("_ZN6victim4pool4hold17h0123456789abcdefE"), Crates{"victim"});
  EXPECT_EQ(rust_crates("_ZN54_$LT$victim..Pool$u20$as$u20$core..ops..drop..Drop$GT$4drop"
                        "17h0123456789abcdefE"),
            (Crates{"victim", "core"}));
  EXPECT_EQ(rust_crates("_ZN58_$LT$$RF$mio..net..TcpStream$u20$as$u20$std..io..Write$GT$5write"
                        "17h0123456789abcdefE"),
            (Crates{"mio", "std"}));
  EXPECT_EQ(rust_crates("_ZN40_$LT$F$u20$as$u20$futures..TryFuture$GT$8try_poll"
                        "17h0123456789abcdefE"),
            (Crates{"", "futures"}));
  EXPECT_EQ(rust_crates("_ZN4core3ptr38drop_in_place$LT$feeds..desk..Line$GT$17h842f3cdd7f2c7238E"),
            Crates{"core"});
  EXPECT_EQ(rust_crates("_RNvNtCs1234_6victim4pool4hold"), Crates{"victim"});
  EXPECT_EQ(rust_crates("_RNvXCs1_7futuresNtCs2_6victim4PoolNtB2_9TryFuture8try_poll"),
            Crates{"futures"})
      << "an impl for all types, which the library has";
  EXPECT_EQ(rust_crates("_RNvXCs1_6victimINtCs2_5alloc3VechENtB2_5Holds4hold"), Crates{"victim"});
  EXPECT_EQ(rust_crates("_ZN5store4Repo4openEi"), Crates{}) << "C++ is not Rust";
  EXPECT_EQ(rust_crates("main"), Crates{});
}

TEST(PlainName, a_rust_source_is_a_module_of_its_crate) {
  EXPECT_EQ(rust_module("/app/rate-feeds/src/main.rs"), "rate_feeds");
  EXPECT_EQ(rust_module("/app/rate-feeds/src/desk/line.rs"), "rate_feeds::desk::line");
  EXPECT_EQ(rust_module("/app/rate-feeds/src/bin/probe.rs"), "probe");
  EXPECT_EQ(rust_module("/x/.cargo/registry/src/index-1/http-body-1.0.1/src/lib.rs"), "http_body");
  EXPECT_EQ(rust_module("/x/.cargo/registry/src/index-1/tokio-1.54.1/src/net/tcp/mod.rs"),
            "tokio::net::tcp");
  EXPECT_EQ(rust_module("/rustc/59807616/library/std/src/net/tcp.rs"), "std::net::tcp");
  EXPECT_EQ(rust_module("/tmp/probe.rs"), "probe");
  EXPECT_EQ(rust_module("/app/main.cc"), "");
  EXPECT_EQ(rust_module(""), "");
}

TEST(PlainName, damaged_names_stay_as_they_are) {
  EXPECT_EQ(plain_demangled("f(((("), "f((((");
  EXPECT_EQ(without_template("a<b<c"), "a<b<c");
  EXPECT_EQ(plain_symbol(""), "");
}

}  // namespace
}  // namespace unclosed
