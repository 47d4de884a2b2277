#include "cli/app.h"
#include "cli/session.h"

int main(int argc, char** argv) { return unclosed::run_app(argc, argv, unclosed::run_session); }
