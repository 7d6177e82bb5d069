// SPDX-License-Identifier: Apache-2.0
// Parsing with CLI11; usage errors end with status 64.
#include "kms_server/options.h"

#include <iostream>

#include <CLI/CLI.hpp>

#include "build_config.h"

namespace volumecrypt::kms_server {
namespace {

constexpr int kExitUsage = 64;  // EX_USAGE of sysexits.h
constexpr const char *kFooter =
    "A key is a file of 32 random bytes. To remove a node's file is to refuse that node.\n"
    "Exit status: 0 ended as asked; 1 error; 64 wrong usage.\n";

void declareLimits(CLI::App &app, Options &options) {
    const CLI::Range connections(1, 100'000);
    const CLI::Range seconds(1, 86'400);
    app.add_option("--max-connections", options.limits.connections, "connections at a time")
        ->check(connections)
        ->capture_default_str();
    app.add_option("--max-per-address", options.limits.perAddress,
                   "of them from one IPv4 address, or one IPv6 network of 64 bits")
        ->check(connections)
        ->capture_default_str();
    app.add_option("--handshake-timeout", options.handshakeTimeout,
                   "seconds that a client has to introduce itself")
        ->check(seconds)
        ->capture_default_str();
    app.add_option("--idle-timeout", options.idleTimeout,
                   "seconds that a connection is kept without a request")
        ->check(seconds)
        ->capture_default_str();
    app.add_option("--max-age", options.maxAge, "seconds that a connection is kept at all")
        ->check(seconds)
        ->capture_default_str();
}

void declare(CLI::App &app, Options &options) {
    app.set_version_flag("--version", std::string("volumecrypt-kms-server ") + VOLUMECRYPT_VERSION);
    app.add_option("--listen", options.listen, "address and port; port 0 takes a free one")
        ->default_val("[::]:4050");
    app.add_option("--key-dir", options.keyDir, "directory with a key UUID.key for each node");
    app.add_option("--key-prefix", options.keyPrefix, "what the names in --key-dir begin with");
    app.add_option("--key-file", options.keyFile, "one key for all nodes");
    app.add_option("--tls-cert", options.tlsCert, "certificate of the server and its chain (PEM)");
    app.add_option("--tls-key", options.tlsKey, "private key of the server (PEM)");
    app.add_option("--client-ca", options.clientCa,
                   "answer only clients with a certificate of this authority (PEM)");
    app.add_flag("--match-certificate", options.matchCertificate,
                 "a node's UUID must be a name in its client certificate");
    app.add_flag("--plaintext", options.plaintext,
                 "without TLS: whoever sees the network sees the keys");
    declareLimits(app, options);
    app.footer(kFooter);
}

// What does not go together; empty when all is well.
std::string misuse(const Options &options) {
    if (options.keyDir.empty() == options.keyFile.empty())
        return "give one of --key-dir and --key-file";
    if (!options.keyPrefix.empty() && options.keyDir.empty()) return "--key-prefix needs --key-dir";
    if (options.tlsCert.empty() != options.tlsKey.empty())
        return "--tls-cert and --tls-key go together";
    if (options.plaintext != options.tlsCert.empty())
        return options.plaintext ? "--plaintext and --tls-cert exclude each other"
                                 : "give --tls-cert and --tls-key, or --plaintext";
    if (options.plaintext && !options.clientCa.empty()) return "--client-ca needs --tls-cert";
    if (options.matchCertificate && options.clientCa.empty())
        return "--match-certificate needs --client-ca";
    return {};
}

int usageError(const std::string &message) {
    std::cerr << "volumecrypt-kms-server: " << message
              << "\nTry 'volumecrypt-kms-server --help'.\n";
    return kExitUsage;
}

}  // namespace

std::variant<Options, int> parseOptions(int argc, const char *const *argv) {
    CLI::App app(
        "A KMS for VolumeCrypt and Talos machines: seals their keys, and unseals them for "
        "as long as it knows the machine.",
        "volumecrypt-kms-server");
    Options options;
    declare(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        return usageError(error.what());
    }
    if (const std::string problem = misuse(options); !problem.empty()) return usageError(problem);
    return options;
}

}  // namespace volumecrypt::kms_server
