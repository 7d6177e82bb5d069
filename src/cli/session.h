// SPDX-License-Identifier: Apache-2.0
// What every command needs: the arguments, the connection, and how to print.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/prompt.h"
#include "cli/table.h"

namespace volumecrypt::cli {

class Session {
  public:
    Session(const Arguments &arguments, Client client);

    [[nodiscard]] const Arguments &arguments() const { return arguments_; }
    [[nodiscard]] Client &client() { return client_; }
    [[nodiscard]] const Style &out() const { return out_; }
    [[nodiscard]] const Style &err() const { return err_; }

    // The terminal to ask on, when a person sits there: standard input is it, and no program
    // reads the output as JSON.
    [[nodiscard]] std::optional<Terminal> person() const;

    // Before a person types something for this command on the volume: whoever may not do it is told
    // first, and polkit asks first.
    base::Status mayType();
    // What a command that changes something says at its end. On a terminal: `sentence`. Elsewhere:
    // `plain`, nothing when empty. With --json: {"type":"result",…} with `members`.
    void result(const std::string &sentence, const std::string &plain,
                const nlohmann::json &members = nlohmann::json::object());
    // Waits for a job, and shows how far it is meanwhile. The message of its end.
    base::Result<std::string> wait(const std::string &job);
    // result() for a job that was started: waits for it and shows its progress, unless --no-wait.
    // The exit code.
    int finish(const base::Result<std::string> &job, const std::string &volume);

  private:
    const Arguments &arguments_;
    Client client_;
    Style out_;
    Style err_;
};

// As Session::person and Session::result, where there is no connection.
std::optional<Terminal> personAt(const Arguments &arguments);
void printResult(const Arguments &arguments, const std::string &sentence, const std::string &plain,
                 const nlohmann::json &members);
// Reports to standard error, and with --json also as an object to standard output; the exit code.
int reportError(const Arguments &arguments, const std::string &volume, const base::Error &error);
// The same, about the volume that the command line names.
int failed(const Session &session, const base::Error &error);
// A line of what a job did, or warns of: to standard output, and to standard error what failed.
void showResult(const Session &session, const JobResult &result);
// The command line asks for what cannot be: exit code 64.
int reportUsage(const std::string &message, const std::string &hint);
void print(const std::string &text);

}  // namespace volumecrypt::cli
