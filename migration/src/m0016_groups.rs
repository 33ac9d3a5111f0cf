//! Creates the tables of groups, of their members, and of the access that was granted to them.

use sea_orm_migration::prelude::*;

use crate::{m0001_users::User, m0002_documents::Document};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum UserGroup {
    Table,
    Id,
    Source,
    Name,
}

#[derive(DeriveIden)]
enum GroupMember {
    Table,
    GroupId,
    UserId,
    State,
    Revision,
}

#[derive(DeriveIden)]
enum GroupAccess {
    Table,
    DocumentId,
    GroupId,
    Level,
    GrantedAt,
    EndsAt,
}

#[derive(DeriveIden)]
enum IdentityColumn {
    GroupsAt,
}

const MEMBERS_BY_USER: &str = "idx_group_member_user";
const UNSETTLED_MEMBERS: &str = "idx_group_member_state";
const ACCESS_BY_GROUP: &str = "idx_group_access_group";
const ACCESS_BY_END: &str = "idx_group_access_ends_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let groups_at =
            ColumnDef::new(IdentityColumn::GroupsAt).timestamp_with_time_zone().to_owned();
        let identities = Table::alter().table(identity()).add_column(groups_at).to_owned();
        manager.alter_table(identities).await?;
        manager
            .create_table(
                Table::create()
                    .table(UserGroup::Table)
                    .col(ColumnDef::new(UserGroup::Id).uuid().not_null().primary_key())
                    .col(ColumnDef::new(UserGroup::Source).string().not_null())
                    .col(ColumnDef::new(UserGroup::Name).string().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(GroupMember::Table)
                    .col(ColumnDef::new(GroupMember::GroupId).uuid().not_null())
                    .col(ColumnDef::new(GroupMember::UserId).uuid().not_null())
                    .col(ColumnDef::new(GroupMember::State).small_integer().not_null())
                    .col(ColumnDef::new(GroupMember::Revision).uuid().not_null())
                    .primary_key(Index::create().col(GroupMember::GroupId).col(GroupMember::UserId))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_group_member_group")
                            .from(GroupMember::Table, GroupMember::GroupId)
                            .to(UserGroup::Table, UserGroup::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_group_member_user")
                            .from(GroupMember::Table, GroupMember::UserId)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(GroupAccess::Table)
                    .col(ColumnDef::new(GroupAccess::DocumentId).uuid().not_null())
                    .col(ColumnDef::new(GroupAccess::GroupId).uuid().not_null())
                    .col(ColumnDef::new(GroupAccess::Level).small_integer().not_null())
                    .col(
                        ColumnDef::new(GroupAccess::GrantedAt)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .col(ColumnDef::new(GroupAccess::EndsAt).timestamp_with_time_zone())
                    .primary_key(
                        Index::create().col(GroupAccess::DocumentId).col(GroupAccess::GroupId),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_group_access_document")
                            .from(GroupAccess::Table, GroupAccess::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_group_access_group")
                            .from(GroupAccess::Table, GroupAccess::GroupId)
                            .to(UserGroup::Table, UserGroup::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(GroupAccess::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(GroupMember::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(UserGroup::Table).to_owned()).await?;
        let column = IdentityColumn::GroupsAt;
        manager.alter_table(Table::alter().table(identity()).drop_column(column).to_owned()).await
    }
}

fn identity() -> Alias {
    Alias::new("identity")
}

fn indexes() -> [IndexCreateStatement; 4] {
    let members = Index::create()
        .name(MEMBERS_BY_USER)
        .table(GroupMember::Table)
        .col(GroupMember::UserId)
        .to_owned();
    // A settled member has the state 2.
    let unsettled = Index::create()
        .name(UNSETTLED_MEMBERS)
        .table(GroupMember::Table)
        .col(GroupMember::State)
        .and_where(Expr::col(GroupMember::State).ne(2))
        .to_owned();
    let access = Index::create()
        .name(ACCESS_BY_GROUP)
        .table(GroupAccess::Table)
        .col(GroupAccess::GroupId)
        .col(GroupAccess::DocumentId)
        .to_owned();
    let ends = Index::create()
        .name(ACCESS_BY_END)
        .table(GroupAccess::Table)
        .col(GroupAccess::EndsAt)
        .and_where(Expr::col(GroupAccess::EndsAt).is_not_null())
        .to_owned();
    [members, unsettled, access, ends]
}
