"""Drives an engine (DOCKER_HOST) with the Docker SDK for Python, as its users do; IMAGE names a small image.

One function a subject; the program runs those that are named on its command line and ends with an AssertionError or
docker's own error at the first thing that is not as Docker has it.
"""

import io
import json
import os
import sys
import tarfile
import tempfile
import threading

import docker
from docker.errors import APIError, BuildError, ContainerError, NotFound
from docker.types import Healthcheck, LogConfig, Mount, Ulimit

IMAGE = os.environ["IMAGE"]
client = docker.from_env(timeout=60)


def refused(status, call, *args, **options):
    """Asserts that the engine answers the call with this status, or one of them; gives the message."""
    try:
        call(*args, **options)
    except APIError as error:
        assert error.status_code in (status if isinstance(status, tuple) else (status,)), error
        return error.explanation
    raise AssertionError(f"not refused with {status}")


def sleeper(**options):
    return client.containers.run(IMAGE, ["sleep", "1000"], detach=True, stop_signal="SIGKILL", **options)


def life():
    assert client.containers.run(IMAGE, ["echo", "said"], remove=True) == b"said\n"
    try:
        client.containers.run(IMAGE, ["sh", "-c", "echo why >&2; exit 3"], remove=True)
        raise AssertionError("an exit code other than 0 is an error")
    except ContainerError as error:
        assert (error.exit_status, error.stderr) == (3, b"why\n"), error
    container = sleeper(name="py-life", labels={"of": "sdk"}, environment={"A": "b"}, hostname="inner")
    assert container.status == "created" or container.status == "running"
    container.reload()
    assert container.status == "running"
    assert container.attrs["Config"]["Hostname"] == "inner"
    assert [c.id for c in client.containers.list(filters={"label": "of=sdk"})] == [container.id]
    container.rename("py-renamed")
    assert client.containers.get("py-renamed").id == container.id
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.restart(timeout=0)
    container.reload()
    assert container.status == "running"
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.start()
    container.kill()
    assert container.wait()["StatusCode"] == 137
    container.remove()
    refused(404, client.containers.get, "py-renamed")
    sleeper(name="py-pruned").kill()
    assert client.containers.prune()["ContainersDeleted"]
    assert client.containers.list(all=True) == []


def execs():
    container = sleeper()
    result = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 7"], demux=True)
    assert result == (7, (b"out\n", b"err\n")), result
    code, output = container.exec_run("id -u", user="12", workdir="/tmp", environment={"X": "y"})
    assert (code, output) == (0, b"12\n")
    _, stream = container.exec_run(["sh", "-c", "echo 1; echo 2"], stream=True)
    assert b"".join(stream) == b"1\n2\n"
    created = client.api.exec_create(container.id, ["cat"], stdin=True)
    sock = client.api.exec_start(created["Id"], socket=True)
    sock._sock.sendall(b"typed\n")
    assert sock.read(8 + 6)[8:] == b"typed\n"
    sock._sock.close()
    container.kill()
    container.wait()
    refused(409, client.api.exec_create, container.id, ["true"])
    container.remove()


def logs():
    container = client.containers.run(IMAGE, ["sh", "-c", "echo one; echo two >&2; sleep 0.3; echo three"], detach=True)
    assert b"".join(container.logs(stream=True, follow=True)) in (b"one\ntwo\nthree\n", b"two\none\nthree\n")
    assert container.logs(stdout=False) == b"two\n"
    assert container.logs(tail=1) == b"three\n"
    assert container.logs(timestamps=True, tail=1).endswith(b"Z three\n")
    assert container.logs(since=4102444800) == b""
    container.remove()


def stats():
    container = sleeper(mem_limit="64m", nano_cpus=500_000_000, pids_limit=50)
    one = container.stats(stream=False)
    assert one["memory_stats"]["limit"] == 64 << 20, one["memory_stats"]
    assert one["pids_stats"]["current"] == 1 and one["pids_stats"]["limit"] == 50
    assert one["name"] == f"/{container.name}"
    stream = container.stats(decode=True)
    first, second = next(stream), next(stream)
    assert second["preread"] == first["read"]
    stream.close()
    titles = container.top()
    assert titles["Titles"][1] == "PID" and len(titles["Processes"]) == 1
    container.update(mem_limit="128m", memswap_limit="128m")
    container.reload()
    assert container.attrs["HostConfig"]["Memory"] == 128 << 20
    container.remove(force=True)


def archive():
    container = sleeper()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("folder/file")
        member.size = 5
        member.mode = 0o640
        tar.addfile(member, io.BytesIO(b"bytes"))
    assert container.put_archive("/tmp", buffer.getvalue())
    assert container.exec_run("stat -c %a:%s /tmp/folder/file").output == b"640:5\n"
    chunks, stat = container.get_archive("/tmp/folder")
    assert stat["name"] == "folder"
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        assert tar.extractfile("folder/file").read() == b"bytes"
    assert {"Path": "/tmp/folder/file", "Kind": 1} in container.diff()
    refused(404, container.get_archive, "/no/such")
    image = container.commit("py/committed", tag="1", changes=["CMD cat /tmp/folder/file"])
    assert client.containers.run(image.id, remove=True) == b"bytes"
    names = tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))).getnames()
    assert "tmp/folder/file" in names, names[:20]
    container.remove(force=True)
    client.images.remove("py/committed:1")


def events():
    seen = []
    stream = client.events(decode=True, filters={"type": "container"})
    ready = threading.Event()

    def read():
        ready.set()
        for event in stream:
            seen.append(event["Action"])
            if event["Action"] == "destroy":
                return

    reader = threading.Thread(target=read)
    reader.start()
    ready.wait()
    client.containers.run(IMAGE, "true", remove=True)
    reader.join(20)
    stream.close()
    assert [a for a in seen if a != "attach"] == ["create", "start", "die", "destroy"], seen


def settings():
    client.volumes.create("py-volume", labels={"of": "sdk"})
    container = client.containers.run(
        IMAGE,
        ["sh", "-c", "ulimit -n; cat /proc/self/oom_score_adj; mount | grep -c -e ' /data ' -e ' /scratch '; touch /data/x"],
        mounts=[Mount("/data", "py-volume"), Mount("/scratch", None, type="tmpfs", tmpfs_size=1 << 20)],
        ulimits=[Ulimit(name="nofile", soft=100, hard=200)],
        oom_score_adj=500,
        log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
        healthcheck=Healthcheck(test=["CMD", "true"], interval=1_000_000_000),
        cap_drop=["ALL"],
        read_only=True,
        init=True,
        detach=True,
    )
    assert container.wait()["StatusCode"] == 0, container.logs()
    assert container.logs() == b"100\n500\n2\n", container.logs()
    container.remove(v=True)
    assert [v.name for v in client.volumes.list(filters={"label": "of=sdk"})] == ["py-volume"]
    client.volumes.get("py-volume").remove()
    try:
        client.volumes.get("py-volume")
        raise AssertionError("the volume is still there")
    except NotFound:
        pass


def volumes():
    kept = client.volumes.create("py-kept", labels={"of": "py"})
    assert (kept.name, kept.attrs["Driver"], kept.attrs["Scope"]) == ("py-kept", "local", "local"), kept.attrs
    assert client.volumes.create("py-kept", labels={"of": "others"}).attrs["Labels"] == {"of": "py"}
    memory = client.volumes.create(
        "py-memory", driver="local", driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
    )
    assert memory.attrs["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}, memory.attrs
    script = "df -k /memory | tail -1 | cut -c1-5; echo kept > /kept/file; ls /unnamed"
    where = {"py-kept": {"bind": "/kept", "mode": "rw"}, "py-memory": {"bind": "/memory", "mode": "ro"}}
    said = client.containers.run(IMAGE, ["sh", "-c", script], volumes=where, remove=True, tmpfs={"/unnamed": ""})
    assert said == b"tmpfs\n", said
    parts = [Mount("/part", "py-kept", read_only=True), Mount("/fresh", None, no_copy=True, labels={"a": "b"})]
    holder = sleeper(mounts=parts, volumes_from=[])
    assert holder.exec_run(["cat", "/part/file"]).output == b"kept\n"
    taker = client.containers.run(IMAGE, ["cat", "/part/file"], volumes_from=[holder.id + ":ro"], remove=True)
    assert taker == b"kept\n", taker
    named = lambda **filters: sorted(v.name for v in client.volumes.list(filters=filters))
    assert named(label="of=py") == ["py-kept"]
    assert named(name="py-") == ["py-kept", "py-memory"]
    assert named(name="py-", dangling=True) == ["py-memory"]
    assert "in use" in refused(409, kept.remove)
    assert "in use" in refused(409, kept.remove, force=True)
    assert "invalid option" in refused(400, client.volumes.create, "py-bad", driver_opts={"colour": "red"})
    assert "not found" in refused(404, client.volumes.create, "py-bad", driver="nobody")
    assert refused(404, client.volumes.get, "py-none").endswith("no such volume")
    [usage] = [v for v in client.df()["Volumes"] if v["Name"] == "py-kept"]
    assert usage["UsageData"] == {"Size": 5, "RefCount": 1}, usage
    holder.remove(force=True, v=True)
    assert client.volumes.prune() == {"VolumesDeleted": [], "SpaceReclaimed": 0}
    assert client.volumes.prune(filters={"all": True, "label!": "of=others"})["VolumesDeleted"] == ["py-kept"]
    memory.remove()
    client.volumes.create("py-none").remove(force=True)


def health():
    container = sleeper(healthcheck=Healthcheck(test=["CMD-SHELL", "test -e /tmp/well"], interval=100_000_000, retries=1))
    states = client.events(decode=True, filters={"event": "health_status"})
    assert next(states)["Action"] == "health_status: unhealthy"
    container.exec_run("touch /tmp/well")
    assert next(states)["Action"] == "health_status: healthy"
    states.close()
    container.reload()
    assert container.health == "healthy"
    container.remove(force=True)


def system():
    assert client.ping()
    assert client.info()["OSType"] == "linux"
    assert client.version()["ApiVersion"]
    assert {"Images", "Containers", "Volumes", "BuildCache"} <= set(client.df())
    assert any(IMAGE in image.tags for image in client.images.list())


def images():
    image = client.images.get(IMAGE)
    assert image.id.startswith("sha256:") and IMAGE in image.tags, image.tags
    assert image.attrs["Os"] == "linux" and image.attrs["RootFS"]["Layers"]
    assert [entry["Id"] for entry in image.history()][0] in (image.id, "<missing>")
    assert image.tag("py/tagged", tag="1") and image.tag("py/tagged", tag="2")
    assert {"py/tagged:1", "py/tagged:2"} <= set(client.images.list("py/tagged")[0].tags)
    refused(404, client.images.get, "py/none")
    refused(404, lambda: b"".join(client.images.get(image.id).client.api.get_image("py/none")))
    saved = b"".join(client.images.get("py/tagged:1").save(named="py/tagged:1"))
    with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))
        assert entry["RepoTags"] == ["py/tagged:1"], entry
        assert set(entry["Layers"]) <= set(tar.getnames())
    nameless = b"".join(image.save())
    with tarfile.open(fileobj=io.BytesIO(nameless)) as tar:
        assert json.load(tar.extractfile("manifest.json"))[0]["RepoTags"] is None
    client.images.remove("py/tagged:1")
    client.images.remove("py/tagged:2")
    (loaded,) = client.images.load(saved)
    assert loaded.id == image.id and "py/tagged:1" in loaded.tags, loaded.tags
    client.images.remove("py/tagged:1")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    said = client.api.import_image_from_data(buffer.getvalue(), repository="py/imported", tag="1")
    assert json.loads(said.splitlines()[-1])["status"].startswith("sha256:"), said
    imported = client.images.get("py/imported:1")
    client.images.remove("py/imported:1")
    refused(404, client.images.get, imported.id)
    assert client.images.prune(filters={"dangling": True})["SpaceReclaimed"] == 0


def builds():
    def said(log):
        return "".join(line.get("stream", "") for line in log)

    with tempfile.TemporaryDirectory() as folder:
        for name, text in {
            "Dockerfile.own": f"FROM {IMAGE} AS wanted\nARG WORD=none\nRUN echo $WORD > /word; echo told $WORD\n"
            "COPY . /all\nCMD cat /word\nFROM wanted\nRUN exit 9\n",
            ".dockerignore": "left-out\n",
            "kept": "kept",
            "left-out": "x",
        }.items():
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        image, log = client.images.build(
            path=folder,
            dockerfile="Dockerfile.own",
            tag="py/built:1",
            buildargs={"WORD": "given"},
            target="wanted",
            labels={"of": "sdk"},
            shmsize=1 << 20,
            extra_hosts={"other": "10.1.2.3"},
            network_mode="none",
            rm=True,
            forcerm=True,
        )
        log = said(log)
        assert "Step 1/" in log and "told given" in log and "Successfully tagged py/built:1" in log, log
        assert "py/built:1" in image.tags and image.labels["of"] == "sdk", image.attrs
        assert client.containers.run(image.id, remove=True) == b"given\n"
        assert b"left-out" not in client.containers.run(image.id, ["ls", "/all"], remove=True)
        again, log = client.images.build(path=folder, dockerfile="Dockerfile.own", buildargs={"WORD": "given"}, target="wanted", labels={"of": "sdk"}, shmsize=1 << 20, extra_hosts={"other": "10.1.2.3"}, network_mode="none")
        assert again.id == image.id and "Using cache" in said(log)
        try:
            client.images.build(path=folder, dockerfile="Dockerfile.own")
            raise AssertionError("a command that fails is an error")
        except BuildError as error:
            assert "returned a non-zero code: 9" in error.msg, error.msg
            assert "told none" in said(error.build_log)
        outside = os.path.join(folder, "sub")
        os.mkdir(outside)
        image, _ = client.images.build(path=outside, dockerfile=os.path.join(folder, "Dockerfile.own"), target="wanted")
        assert client.containers.run(image.id, remove=True) == b"none\n"
    alone, _ = client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nENV A=b\n".encode()), nocache=True)
    assert "A=b" in alone.attrs["Config"]["Env"] and alone.tags == [], alone.attrs
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w:gz") as tar:
        for name, body in {"sub/File": f"FROM {IMAGE}\nCOPY f /f\n".encode(), "f": b"archived"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    context.seek(0)
    image, _ = client.images.build(fileobj=context, custom_context=True, encoding="gzip", dockerfile="sub/File", quiet=True)
    assert client.containers.run(image.id, ["cat", "/f"], remove=True) == b"archived"
    for wrong, word in ((b"FRM x\n", "FRM"), (b"", "empty"), (b"FROM scratch\nCOPY none /\n", "none")):
        try:
            client.images.build(fileobj=io.BytesIO(wrong))
            raise AssertionError(f"not refused: {wrong}")
        except (BuildError, APIError) as error:
            assert word in str(error), error
    try:
        client.images.build(fileobj=io.BytesIO(b"FROM 127.0.0.1:1/none\n"))
        raise AssertionError("a base image that is not there is an error of the build")
    except BuildError as error:
        assert "127.0.0.1:1" in error.msg, error.msg
    assert client.api.prune_builds()["SpaceReclaimed"] >= 0


def networks():
    pool = docker.types.IPAMPool(subnet="10.90.0.0/24", gateway="10.90.0.7", aux_addresses={"router": "10.90.0.2"})
    net = client.networks.create(
        "py-net",
        driver="bridge",
        ipam=docker.types.IPAMConfig(pool_configs=[pool]),
        labels={"a": "b"},
        options={"com.docker.network.driver.mtu": "1400"},
        check_duplicate=True,
    )
    assert client.networks.get("py-net").id == net.id
    assert [one.name for one in client.networks.list(names=["py-net"], filters={"label": "a=b"})] == ["py-net"]
    refused(409, client.networks.create, "py-net")
    refused(403, client.networks.create, "py-other", ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    internal = client.networks.create("py-internal", internal=True, enable_ipv6=True, attachable=True)
    internal.reload()
    assert internal.attrs["Internal"] and internal.attrs["EnableIPv6"] and internal.attrs["Attachable"]
    container = sleeper(network="py-net", networking_config={
        "py-net": client.api.create_endpoint_config(aliases=["web"], ipv4_address="10.90.0.20"),
    })
    settings = lambda: client.api.inspect_container(container.id)["NetworkSettings"]["Networks"]
    assert settings()["py-net"]["IPAddress"] == "10.90.0.20" and settings()["py-net"]["Aliases"] == ["web"]
    internal.connect(container, aliases=["inner"], links={"other": "alias"})
    assert settings()["py-internal"]["Links"] == ["other:alias"], settings()
    assert settings()["py-internal"]["GlobalIPv6Address"].startswith("fd")
    net.reload()
    assert [one.id for one in net.containers] == [container.id]
    refused(403, net.remove)
    refused(403, net.connect, container)
    net.disconnect(container)
    internal.disconnect(container, force=True)
    assert settings() == {}
    container.remove(force=True)
    net.remove()
    refused(404, client.networks.get, "py-net")
    assert client.networks.prune(filters={"label": "none"})["NetworksDeleted"] is None
    assert client.networks.prune()["NetworksDeleted"] == ["py-internal"]


def lists():
    image = client.images.get(IMAGE)
    assert image.tag("py/listed", tag="1")
    assert [i.id for i in client.images.list(filters={"reference": "py/*:1"})] == [image.id]
    assert [i.id for i in client.images.list(name="py/listed")] == [image.id]
    assert client.images.list(filters={"dangling": True}) == []
    assert client.images.list(filters={"label": "no-such-label"}) == []
    refused(400, client.images.list, filters={"nonsense": "1"})
    (summary,) = client.api.images(name="py/listed")
    assert summary["RepoTags"] == [IMAGE, "py/listed:1"] or "py/listed:1" in summary["RepoTags"], summary
    assert client.api.images(name="py/listed", quiet=True) == [image.id]
    assert image.short_id == image.id[: len("sha256:") + 12]
    assert isinstance(image.labels, dict)
    image.reload()
    refused(409, client.images.remove, image.id)
    client.images.remove("py/listed:1", noprune=True)
    container = client.containers.run(IMAGE, ["sh", "-c", "echo more > /more"], detach=True)
    container.wait()
    made = container.commit("py/committed", tag="1", message="said", author="me")
    assert (made.attrs["Author"], made.attrs["Comment"], made.attrs["Parent"]) == ("me", "said", image.id), made.attrs
    container.remove()
    client.images.remove(made.id, force=True)


def registry():
    repository = os.environ["REGISTRY"] + "/py/app"
    login = {"username": os.environ["REGISTRY_USER"], "password": os.environ["REGISTRY_PASSWORD"]}
    image = client.images.get(IMAGE)
    for tag in ("1", "2"):
        assert image.tag(repository, tag=tag)
    said = client.images.push(repository, tag="1")
    assert "no basic auth credentials" in said or "unauthorized" in said or "authentication" in said, said
    for tag in ("1", "2"):
        pushed = list(client.images.push(repository, tag=tag, auth_config=login, stream=True, decode=True))
        assert not any("error" in line for line in pushed), pushed
        (digest,) = {line["aux"]["Digest"] for line in pushed if "aux" in line}
    data = client.images.get_registry_data(f"{repository}:1", auth_config=login)
    assert data.id == digest and data.short_id == digest[:19]
    assert data.has_platform("linux/amd64") or data.has_platform("linux/arm64"), data.attrs
    for tag in ("1", "2"):
        client.images.remove(f"{repository}:{tag}")
    assert client.images.list(repository) == []
    refused((404, 500), client.images.pull, repository, tag="1")
    one = client.images.pull(repository, tag="1", auth_config=login)
    assert f"{repository}:1" in one.tags, one.tags
    assert any(name.startswith(f"{repository}@sha256:") for name in one.attrs["RepoDigests"]), one.attrs
    every = client.images.pull(repository, all_tags=True, auth_config=login)
    assert {f"{repository}:1", f"{repository}:2"} <= set(every[0].tags), every
    client.login(login["username"], login["password"], registry=os.environ["REGISTRY"])
    refused(404, client.images.pull, repository, tag="3")
    for tag in ("1", "2"):
        client.images.remove(f"{repository}:{tag}")
    pulled = data.pull()
    assert pulled.id in (digest, image.id), pulled.id
    client.images.remove(f"{repository}@{digest}")


def search():
    refused(501, client.images.search, "anything")


for name in sys.argv[1:]:
    globals()[name]()
    print("done", name, flush=True)
client.close()
