// What the pictures of protection and operations show: an installation in which things have happened.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "../fixtures/installation.js";

const MIB = 1 << 20;

/** A file system with a few files, for a device. */
async function fileSystem(place) {
  const source = join(place, "source");
  await mkdir(join(source, "etc"), { recursive: true });
  await mkdir(join(source, "mysql"), { recursive: true });
  await writeFile(join(source, "etc/motd"), "Welcome.\n");
  await writeFile(join(source, "mysql/ibdata1"), Buffer.alloc(3 * MIB, 7));
  await writeFile(join(source, "mysql/my.cnf"), "[mysqld]\n");
  const path = join(place, "image");
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-b", "4096", "-d", source, path, "24M"]);
  return path;
}

/** Asks the API for something that another project of the same installation may have made already. */
async function once(ask, collection, id, body) {
  const { data } = await ask("GET", collection);
  if (data.some((thing) => thing.id === id || thing.name === id)) return false;
  await ask("POST", collection, body);
  return true;
}

/** A volume that is attached and has data, a snapshot and backups. */
export async function backedUp(ask, installation) {
  const place = await mkdtemp(join(installation.data, "..", "pictures-"));
  const [store, offsite] = [join(place, "store"), join(place, "offsite")];
  for (const path of [store, offsite]) await mkdir(path);
  await ask("PUT", "backuptargets/default", { backupTargetURL: `vfs://${store}`, pollInterval: "300" });
  await once(ask, "backuptargets", "offsite", { name: "offsite", backupTargetURL: `vfs://${offsite}`, pollInterval: "3600" });
  await once(ask, "backuptargets", "archive", { name: "archive", backupTargetURL: "s3://backups@eu-central-1/cluster-a", pollInterval: "0",
    credentials: { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret", AWS_ENDPOINTS: "http://127.0.0.1:9" } });
  const state = (name) => async () => (await ask("GET", `volumes/${name}`)).state;
  const image = await fileSystem(place);
  const volumes = [["orders-db", "offsite", ["before-upgrade", "monday"]], ["wiki-data", "default", ["release-4", "tuesday"]]];
  for (const [name, target, snapshots] of volumes) {
    if (!await once(ask, "volumes", name, { name, size: "64Mi", numberOfReplicas: 2, backupTargetName: target })) continue;
    await expect.poll(state(name)).toBe("detached");
    await ask("POST", `volumes/${name}?action=attach`, { hostId: "node-1" });
    await expect.poll(state(name)).toBe("attached");
    execFileSync("dd", [`if=${image}`, `of=/dev/longhorn/${name}`, "bs=1M", "oflag=direct", "conv=fsync"], { stdio: "ignore" });
    for (const snapshot of snapshots) {
      await ask("POST", `volumes/${name}?action=snapshotCRCreate`, { name: snapshot });
      await expect.poll(async () => {
        const { data } = await ask("POST", `volumes/${name}?action=snapshotCRList`, {});
        return data.find((one) => one.name === snapshot)?.readyToUse;
      }).toBe(true);
      await ask("POST", `volumes/${name}?action=snapshotBackup`, { name: snapshot, labels: { team: "db" } });
      execFileSync("dd", ["if=/dev/urandom", `of=/dev/longhorn/${name}`, "bs=1M", "count=2", "seek=30", "oflag=direct", "conv=fsync"], { stdio: "ignore" });
    }
  }
  await expect.poll(async () => {
    const { data } = await ask("GET", "backups");
    return data.length === 4 && data.every((backup) => backup.state === "Completed");
  }, { timeout: 120_000 }).toBe(true);
}

/** Recurring jobs with a run behind them. */
export async function recurringJobs(ask) {
  const jobs = [
    { name: "nightly", task: "snapshot", cron: "CRON_TZ=Europe/Berlin 30 3 * * 0,1", retain: 7, concurrency: 2, groups: ["default"] },
    { name: "to-offsite", task: "backup-force-create", cron: "0 */6 * * *", retain: 14, concurrency: 1, groups: ["db"], labels: { team: "db" } },
    { name: "trim", task: "filesystem-trim", cron: "0 4 1 * *", concurrency: 1, groups: [] },
  ];
  for (const job of jobs) await once(ask, "recurringjobs", job.name, job);
  await ask("POST", "recurringjobs/nightly?action=recurringJobRun", {});
  await expect.poll(async () => (await ask("GET", "recurringjobs/nightly")).lastRun?.outcome).toBe("succeeded");
}

/** A system backup and a backing image. */
export async function systemAndImage(ask) {
  await once(ask, "systembackups", "before-upgrade", { name: "before-upgrade", volumeBackupPolicy: "if-not-present" });
  await once(ask, "backingimages", "base-system", { name: "base-system", sourceType: "export-from-volume", minNumberOfCopies: 2,
    parameters: { "volume-name": "orders-db", "export-type": "raw" } });
  await expect.poll(async () => (await ask("GET", "systembackups")).data.map(({ state }) => state)).toEqual(["Ready"]);
  await expect.poll(async () => {
    const { diskFileStatusMap } = await ask("GET", "backingimages/base-system");
    return Object.values(diskFileStatusMap).filter(({ state }) => state === "ready").length;
  }, { timeout: 60_000 }).toBe(2);
}

/** Data of a replica that no volume names. */
export async function orphan(ask) {
  const disk = Object.values((await ask("GET", "nodes/node-1")).disks)[0];
  const path = join(disk.path, "replicas", "left-behind-1a2b3c4d");
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "volume.meta"), JSON.stringify({ Size: MIB, Head: "volume-head-000.img", Dirty: false, Rebuilding: false,
    Error: "", Parent: "", SectorSize: 512, BackingFilePath: "" }));
  await expect.poll(async () => (await ask("GET", "orphans")).data.length, { timeout: 90_000 }).toBeGreaterThan(0);
}
