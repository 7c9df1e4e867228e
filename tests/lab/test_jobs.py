"""What a job says of itself; that it is done, and can be ended, is seen in `test_page`."""

from sigsep_classic.lab.jobs import WAITING, Job, Jobs
from sigsep_classic.lab.work import Failed, Heard, Page, Picture, Stage, Stems, Step


def test_a_job_writes_down_the_news_and_works_until_its_page_is_there():
    job = Job({"ask": None})
    assert (job.state, job.working, job.over, job.seconds) == ("waiting", True, False, 0.0)
    job.begin()
    versions = [job.version]
    news = [
        Stage(text="separating"),
        Step(i=3, n_iter=10, losses=((0, 2.0),)),
        Stems(files={"a": b"1"}, seconds=1.0, warnings=(), losses=()),
        Page(text="page"),
        Picture(view="model", png=b"png"),
    ]
    for each in news:
        assert job.working or isinstance(each, Picture)
        job.take(each)
        versions.append(job.version)
    assert versions == sorted(set(versions))
    assert (job.stage, job.step, job.stems, job.page) == ("separating", news[1], news[2], news[3])
    assert job.pictures == {"model": b"png"}
    assert not job.over
    job.end("done")
    assert job.over
    assert job.task == {}


def test_a_recording_that_was_read_is_no_work_any_more():
    job = Job({})
    job.take(Heard(sample_rate=8000, channels=1, seconds=1.0, warnings=(), page=""))
    assert not job.working
    job.take(Failed(line="no"))
    assert job.error == "no"


def test_one_job_too_many_has_failed_at_once():
    jobs = Jobs(at_once=0)  # nobody does them
    found = [jobs.submit(data=b"") for _ in range(WAITING + 1)]
    assert {job.state for job in found[:-1]} == {"waiting"}
    assert found[-1].state == "failed"
    assert "waiting already" in found[-1].error
    jobs.close()
