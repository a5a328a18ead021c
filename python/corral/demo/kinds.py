"""The catalogue: which analyses there are, in the order of the page."""

import dataclasses
from datetime import timedelta

from django.tasks import Task, TaskResult
from django.utils import timezone

from corral.demo import tasks
from corral.demo.models import Document


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind of analysis."""

    slug: str
    title: str
    about: str
    task: Task
    only_csv: bool = False
    delay_s: int = 0

    @property
    def template(self) -> str:
        """Shows the task's return value as `value`."""
        return f"demo/results/{self.slug}.html"

    def suits(self, document: Document) -> bool:
        """Whether this analysis makes sense for the document."""
        return not self.only_csv or document.kind == Document.Kind.CSV

    def enqueue(self, document: Document) -> TaskResult:
        """Hand the work to the task backend."""
        wanted = self.task
        if self.delay_s:
            wanted = wanted.using(run_after=timezone.now() + timedelta(seconds=self.delay_s))
        return wanted.enqueue(document.pk)


KINDS = {
    kind.slug: kind
    for kind in (
        Kind("columns", "Columns", "CSV only", tasks.describe_columns, only_csv=True),
        Kind("count", "Counts", "quick, high priority", tasks.count),
        Kind("words", "Frequent words", "quick", tasks.frequent_words),
        Kind("phrases", "Repeated phrases", "a little slower", tasks.phrases),
        Kind("compress", "Compression", "async, four threads", tasks.compress),
        Kind("lookalikes", "Look-alike words", "slow, low priority", tasks.look_alikes),
        Kind("verify", "Checksum", "scheduled, 10 s later", tasks.verify, delay_s=10),
        Kind("fail", "Failure", "fails on purpose", tasks.fail),
    )
}
