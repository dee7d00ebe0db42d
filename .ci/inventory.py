#!/usr/bin/env python3
"""What is in a built program, and what it costs to run it. Used by .ci/release.

sizes PROGRAM              bytes of code and data by crate, from its symbols
sbom TARGET PROGRAM        its parts as CycloneDX, from cargo's metadata
run MS KIB CHROOT          fails when /plakar there starts slower, or `ls` of /store needs more
"""

import collections
import hashlib
import json
import re
import statistics
import subprocess
import sys
import time


def metadata(*words):
    text = subprocess.run(["cargo", "metadata", "--format-version=1", "--locked", *words],
                          check=True, capture_output=True, text=True).stdout
    return json.loads(text)


def crates(target):
    """Packages that the program is made of: normal dependencies of the target, with features."""
    found = metadata("--filter-platform", target)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    root = found["resolve"]["root"]
    seen, edges, ahead = {root}, {}, [root]
    while ahead:
        here = ahead.pop()
        edges[here] = []
        for dependency in nodes[here]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                edges[here].append(dependency["pkg"])
                if dependency["pkg"] not in seen:
                    seen.add(dependency["pkg"])
                    ahead.append(dependency["pkg"])
    return root, packages, edges


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def sbom(target, program):
    root, packages, edges = crates(target)
    sums = {}
    name = None
    for line in open("Cargo.lock", encoding="utf-8"):
        key, _, value = line.strip().partition(" = ")
        if key == "name":
            name = value.strip('"')
        elif key == "version":
            name = (name, value.strip('"'))
        elif key == "checksum":
            sums[name] = value.strip('"')

    def component(identifier, kind):
        package = packages[identifier]
        made = {"type": kind, "bom-ref": purl(package), "name": package["name"], "version": package["version"],
                "purl": purl(package)}
        if package.get("license"):
            made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        known = sums.get((package["name"], package["version"]))
        if known:
            made["hashes"] = [{"alg": "SHA-256", "content": known}]
        return made

    main = component(root, "application")
    main["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(open(program, "rb").read()).hexdigest()}]
    others = sorted((identifier for identifier in edges if identifier != root), key=lambda i: purl(packages[i]))
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": main, "properties": [{"name": "target", "value": target}]},
        "components": [component(identifier, "library") for identifier in others],
        "dependencies": [{"ref": purl(packages[identifier]),
                          "dependsOn": sorted(purl(packages[other]) for other in edges[identifier])}
                         for identifier in [root, *others]],
    }
    print(json.dumps(document, indent=1))


def sizes(program):
    text = subprocess.run(["nm", "--print-size", "--demangle", program], check=True, capture_output=True,
                          text=True, errors="replace").stdout
    totals = collections.Counter()
    for line in text.splitlines():
        found = re.match(r"[0-9a-f]+ ([0-9a-f]+) \w (.*)", line)
        if found:
            totals[owner(found[2])] += int(found[1], 16)
    whole = sum(totals.values())
    for name, size in totals.most_common(25):
        print(f"{size / 1024:8.0f} KiB  {name}")
    rest = whole - sum(size for _, size in totals.most_common(25))
    print(f"{rest / 1024:8.0f} KiB  others\n{whole / 1024:8.0f} KiB  in all")


def owner(symbol):
    """The crate whose source a symbol comes from; C and assembly belong to ring or the C library."""
    text = re.sub(r"^(<|&|mut |dyn |\[|\*const |\*mut |\()+", "", symbol)
    found = re.match(r"([a-z_][a-z0-9_]*)(\[[0-9a-f]+\])?::", text)
    if found:
        return found[1]
    if symbol.startswith(("ring_", "ecp_", "p256", "p384", "fe_", "ge_", "x25519", "aes_", "sha", "gcm", "k25519")):
        return "ring"
    return "C library and tables"


def run(milliseconds, kibibytes, root):
    words = ["chroot", root, "/plakar"]

    def start():
        began = time.monotonic()
        subprocess.run([*words, "version"], check=True, stdout=subprocess.DEVNULL)
        return (time.monotonic() - began) * 1000

    def peak():
        """KiB. GNU time's own copy is smaller than what it measures; this interpreter's would not be."""
        ran = subprocess.run(["time", "-q", "-f", "%M", *words, "at", "/store", "ls"], check=True, text=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return int(ran.stderr.split()[-1])

    median = statistics.median(start() for _ in range(50))
    most = max(peak() for _ in range(5))
    print(f"starts in {median:.1f} ms; `ls` of a plaintext store peaks at {most} KiB")
    if median > float(milliseconds) or most > int(kibibytes):
        sys.exit(f"more than {milliseconds} ms or {kibibytes} KiB")


{"sizes": sizes, "sbom": sbom, "run": run}[sys.argv[1]](*sys.argv[2:])
